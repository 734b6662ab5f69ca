"""What the closed loop shows: decoders, units, latency, noise, bin widths, gains, and recalibration."""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np

from spikeloop.exporters.pages.drawing import MODEL, REAL, look, new_figure, picture_file
from spikeloop.exporters.pages.plots import sequential
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import SessionRecord, Trial
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.results.estimates import Estimate
from spikeloop.streamer.closedloop.results.trial_statistics import Figures, figures_of, seconds_to_target

BUNDLE, SEEDS = "m1-sim", tuple(range(5))
DECODERS = ("oracle", "recurrent", "ridge", "wiener", "kalman", "population_vector", "chance")
UNITS = (96, 48, 24, 12, 6)
LATENCIES_MS, NOISES_HZ = (0, 60, 100, 200, 300), (0, 2.5, 5, 10, 20)
ROTATIONS, RECALIBRATE = (45, 60, 90), 64
BINS = (1, 2, 3, 5, 8, 10, 15)
GAINS, SMOOTHINGS = (0.5, 1.0, 1.5, 2.0, 3.0), (0.0, 0.5, 0.8, 0.9, 0.95)
REFIT_GAINS = (0.75, 1.0, 1.25)
SMALL_CM = 1.0  # radius of the targets on which ReFIT is compared; on the default ones both decoders are fast
GILJA = "Gilja et al. 2012: target acquisition time halved"
BINNED, BIN_S = ("kalman", "ridge:1"), 0.02
CUNNINGHAM = "Cunningham et al. 2011: 100 to 300 ms offline, 25 to 50 ms in the loop"
PICTURE = Path(__file__).parents[1] / "docs" / "closed_loop.png"


@dataclass(frozen=True, eq=False)
class Case:
    """A session's settings, run once for every seed."""

    group: str
    label: str
    decoder: str = "kalman"
    plan: Plan = field(default_factory=Plan)
    units: int | None = None


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every case on the same seeds."""
    cases = list(_cases())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        records = list(pool.map(_run, *zip(*product(cases, SEEDS), strict=True)))
    rows, times, offline = [], {}, {}
    for place, case in enumerate(cases):
        mine = records[place * len(SEEDS) : (place + 1) * len(SEEDS)]
        trials = [[each for each in record.trials if each.block == "closed loop"] for record in mine]
        figures = figures_of(trials, mine[0].bin_size_s, case.plan.task.timeout_s, random_stream(0, Purpose.BENCHMARK))
        times[case] = [_mean_time_s(record.trials, record.bin_size_s) for record in mine]
        offline[case] = [np.mean(record.offline.r_squared) for record in mine if record.offline is not None]
        rows.append(_row(case, figures, offline[case]))
    _draw(times, offline)
    return {
        "about": f"{BUNDLE}, the simulated user, {Plan().task}, {Plan().trials} trials a session, sessions of"
        f" seeds {SEEDS[0]} to {SEEDS[-1]}, the decoder calibrated in each by {Plan().calibration_s:g} s of"
        " observation. 95 % intervals by bootstrap over sessions and trials, of success at least Wilson's. R2 offline:"
        " of the velocity, on the end of the calibration block; what is decoded from a wide bin is held over it and"
        " judged by the recording's own bins; mean over axes and seeds. ReFIT is its intention estimation, without the"
        f" second innovation (position feedback); its trials are those after the first {RECALIBRATE}, of further"
        " targets.",
        "rows": rows,
        "notes": [_refit_note(times), _bins_note(times, offline)],
    }


def _cases() -> Iterable[Case]:
    for decoder in DECODERS:
        yield Case("decoder", decoder, decoder)
    for units in UNITS:
        yield Case("units", str(units), units=units)
    for latency in LATENCIES_MS:
        yield _perturbed("added latency", f"{latency} ms", f"latency:{latency}")
    for noise in NOISES_HZ:
        yield _perturbed("added noise", f"{noise:g} Hz a unit", f"noise:{noise}")
    for turn in ROTATIONS:
        yield _perturbed("rotation", f"{turn} deg", f"rotation:{turn}")
        case = _perturbed("rotation", f"{turn} deg, ReFIT after {RECALIBRATE} trials", f"rotation:{turn}")
        yield replace(case, plan=replace(case.plan, recalibrate_after=RECALIBRATE))
    small = CenterOut(radius_cm=SMALL_CM)
    for after, gain in product((0, RECALIBRATE), REFIT_GAINS):
        label = f"targets of {SMALL_CM:g} cm, {'ReFIT' if after else 'velocity Kalman'}, gain {gain:g}"
        yield Case("ReFIT", label, plan=Plan(task=small, gain=gain, recalibrate_after=after))
    for decoder, bins in product(BINNED, BINS):
        yield Case("bin width", f"{decoder}, {_ms(bins)} ms", decoder, Plan(decoder_bins=bins))
    for gain, smoothing in product(GAINS, SMOOTHINGS):
        label = f"ridge:1, gain {gain:g}, smoothing {smoothing:g}"
        yield Case("gain and smoothing", label, "ridge:1", Plan(gain=gain, smoothing=smoothing))


def _perturbed(group: str, label: str, perturbation: str) -> Case:
    return Case(group, label, plan=Plan(perturbations=(parse_perturbation(perturbation),)))


def _run(case: Case, seed: int) -> SessionRecord:
    plan, bin_s = case.plan, case.plan.decoder_bins * BIN_S
    (run,) = closed_loop(
        case.decoder, bundle=BUNDLE, task=plan.task, trials=plan.trials, seeds=seed, gain=plan.gain, units=case.units,
        recalibrate_after=plan.recalibrate_after, smoothing=plan.smoothing, decoder_bin_s=bin_s,
        perturbations=plan.perturbations,
    ).runs  # fmt: skip
    return replace(run.record, blocks=())  # which nobody needs in another process


def _row(case: Case, figures: Figures, offline: list[float]) -> dict:
    return {
        "": case.group,
        "case": case.label,
        "success": _percent(figures.success_rate),
        "time to target (s)": _with_interval(figures.time_to_target_s),
        "of it dial-in (s)": _with_interval(figures.dial_in_s),
        "path efficiency": _with_interval(figures.path_efficiency),
        "Fitts bits/s": _with_interval(figures.fitts_bits_per_s),
        "R2 offline": f"{np.mean(offline):.2f}" if offline else "-",
    }


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"


def _with_interval(estimate: Estimate) -> str:
    return "-" if np.isnan(estimate.value) else f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _mean_time_s(trials: Iterable[Trial], bin_size_s: float) -> float:
    """To the target; a failure counts as the timeout."""
    timeout_s = CenterOut().timeout_s
    times = [seconds_to_target(each, bin_size_s) for each in trials if each.block == "closed loop"]
    return float(np.mean(np.where(np.isnan(times), timeout_s, times)))


def _refit_note(times: dict[Case, list[float]]) -> str:
    """Each at its best gain, failures counted as the timeout."""
    means = {case.label: np.array(each) for case, each in times.items() if case.group == "ReFIT"}
    best = {
        name: min((each for label, each in means.items() if name in label), key=np.mean)
        for name in ("velocity Kalman", "ReFIT")
    }
    ratios = best["ReFIT"] / best["velocity Kalman"]
    return (
        f"ReFIT and the velocity Kalman filter, each at its best gain: mean time to target"
        f" {best['ReFIT'].mean():.2f} s against {best['velocity Kalman'].mean():.2f} s, a ratio of"
        f" {ratios.mean():.2f} ({ratios.min():.2f} to {ratios.max():.2f} over seeds). {GILJA}."
    )


def _bins_note(times: dict[Case, list[float]], offline: dict[Case, list[float]]) -> str:
    """Where the best bin width lies, offline and in the loop."""
    widths = []
    for decoder in BINNED:
        cases = [case for case in times if case.group == "bin width" and case.decoder == decoder]
        read = max(cases, key=lambda case: np.mean(offline[case])).plan.decoder_bins
        moved = min(cases, key=lambda case: np.mean(times[case])).plan.decoder_bins
        widths.append(f"{decoder} {_ms(read)} ms offline and {_ms(moved)} ms in the loop")
    return f"Best bin width: {', '.join(widths)}. {CUNNINGHAM}."


@look()
def _draw(times: dict[Case, list[float]], offline: dict[Case, list[float]]) -> None:
    """docs/closed_loop.png: bin widths offline and in the loop, and the map of gain and smoothing."""
    figure = new_figure(12, 4)
    read, moved, shaped = figure.subplots(1, 3)
    for decoder, colour in zip(BINNED, (MODEL, REAL), strict=True):
        cases = [case for case in times if case.group == "bin width" and case.decoder == decoder]
        widths = [_ms(case.plan.decoder_bins) for case in cases]
        for axis, values in ((read, offline), (moved, times)):
            means, spread = (np.array([of(values[case]) for case in cases]) for of in (np.mean, np.std))
            axis.plot(widths, means, "o-", color=colour, label=decoder)
            axis.fill_between(widths, means - spread, means + spread, color=colour, alpha=0.2, linewidth=0)
    read.set(xlabel="bin width (ms)", ylabel="offline R2")
    moved.set(xlabel="bin width (ms)", ylabel="mean time to target (s)")
    read.legend()
    cases = [case for case in times if case.group == "gain and smoothing"]
    means = np.reshape([np.mean(times[case]) for case in cases], (len(GAINS), len(SMOOTHINGS)))
    image = shaped.imshow(means, cmap=sequential().reversed(), origin="lower", aspect="auto")
    for (row, column), value in np.ndenumerate(means):
        shaped.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value > 2 else "black")
    shaped.set(xlabel="smoothing", ylabel="gain")
    shaped.set_xticks(range(len(SMOOTHINGS)), SMOOTHINGS)
    shaped.set_yticks(range(len(GAINS)), GAINS)
    figure.colorbar(image, ax=shaped, label="mean time to target (s)")
    titles = ("how well it reads a recording", "how fast it moves the cursor", "gain against smoothing")
    for axis, title in zip((read, moved, shaped), titles, strict=True):
        axis.set_title(title, loc="left", fontsize=11)
    for axis in (read, moved):
        axis.grid(visible=True)
    PICTURE.write_bytes(picture_file(figure, ".png"))


def _ms(bins: int) -> int:
    return round(1000 * bins * BIN_S)
