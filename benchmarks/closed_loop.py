"""What the closed loop tells apart: decoders, units, latency, noise, bin widths, gains, and recalibration."""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from spikeloop.exporters.bundle import read_bundle
from spikeloop.streamer.closedloop.comparison import Setup, open_simulated, run_comparison
from spikeloop.streamer.closedloop.figures import Estimate, Figures, figures_of, seconds_to_target
from spikeloop.streamer.closedloop.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.record import Moment, SessionRecord, Trial
from spikeloop.streamer.closedloop.session import Plan
from spikeloop.streamer.closedloop.tasks import CenterOut

BUNDLE, SEEDS = "m1-sim", tuple(range(5))
DECODERS = ("oracle", "recurrent", "ridge", "wiener", "kalman", "population_vector", "chance")
UNITS = (96, 48, 24, 12, 6)
LATENCIES_MS, NOISES_HZ = (0, 50, 100, 200, 300), (0, 2.5, 5, 10, 20)
ROTATIONS, RECALIBRATE = (45, 60, 90), 64
BINS = (1, 2, 3, 5, 8, 10, 15)
GAINS, SMOOTHINGS = (0.5, 1.0, 1.5, 2.0, 3.0), (0.0, 0.5, 0.8, 0.9, 0.95)
REFIT_GAINS = (0.75, 1.0, 1.25)
SMALL_CM = 1.0  # radius of the targets on which ReFIT is compared; on the default ones both decoders are fast
GILJA = "Gilja et al. 2012: target acquisition time halved"


@dataclass(frozen=True)
class Case:
    """A session's settings, run once for every seed."""

    group: str
    label: str
    decoder: str = "kalman"
    plan: Plan = field(default_factory=Plan)
    units: int | None = None


class Unseen:
    """Shows a session to nobody."""

    def show(self, moment: Moment) -> None: ...


def measure(seconds: float) -> dict:  # noqa: ARG001
    """Every case on the same seeds, targets and spikes' random numbers."""
    cases = list(_cases())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        records = list(pool.map(_run, *zip(*product(cases, SEEDS), strict=True)))
    rows, times = [], {}
    for place, case in enumerate(cases):
        mine = records[place * len(SEEDS) : (place + 1) * len(SEEDS)]
        trials = [each for record in mine for each in record.trials if each.block == "closed loop"]
        figures = figures_of(trials, mine[0].bin_size_s, np.random.default_rng(0), case.plan.task.choices)
        rows.append(_row(case, figures, mine))
        times[case.group, case.label] = [_mean_time_s(record.trials, record.bin_size_s) for record in mine]
    return {
        "about": f"{BUNDLE}, the simulated user, {Plan().task}, {Plan().trials} trials a session, sessions of"
        f" seeds {SEEDS[0]} to {SEEDS[-1]}, the decoder calibrated in each by {Plan().calibration_s:g} s of"
        " observation. 95 % intervals: Wilson's for success, else by bootstrap over trials. R2 offline: of the"
        " velocity, on the end of the calibration block, at the decoder's bin width; mean over axes and seeds.",
        "rows": rows,
        "notes": [_refit_note(times)],
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
    for decoder, bins in product(("kalman", "ridge:1"), BINS):
        yield Case("bin width", f"{decoder}, {20 * bins} ms", decoder, Plan(decoder_bins=bins))
    for gain, smoothing in product(GAINS, SMOOTHINGS):
        label = f"ridge:1, gain {gain:g}, smoothing {smoothing:g}"
        yield Case("gain and smoothing", label, "ridge:1", Plan(gain=gain, smoothing=smoothing))


def _perturbed(group: str, label: str, perturbation: str) -> Case:
    return Case(group, label, plan=Plan(perturbations=(parse_perturbation(perturbation),)))


def _run(case: Case, seed: int) -> SessionRecord:
    setup = Setup(
        BUNDLE, read_bundle(BUNDLE), "simulated", (case.decoder,), replace(case.plan, seed=seed), units=case.units
    )
    (run,) = run_comparison(setup, open_simulated, lambda decoder, seed: Unseen())
    if run.record.failure:
        raise SystemExit(f"{case}: {run.record.failure}")
    return replace(run.record, blocks=())  # which nobody needs in another process


def _row(case: Case, figures: Figures, records: list[SessionRecord]) -> dict:
    offline = [np.mean(each.offline.r_squared) for each in records if each.offline is not None]
    return {
        "": case.group,
        "case": case.label,
        "success": _percent(figures.success_rate),
        "time to target (s)": _told(figures.time_to_target_s),
        "of it dial-in (s)": _told(figures.dial_in_s),
        "path efficiency": _told(figures.path_efficiency),
        "Fitts bits/s": _told(figures.fitts_bits_per_s),
        "R2 offline": f"{np.mean(offline):.2f}" if offline else "-",
    }


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"


def _told(estimate: Estimate) -> str:
    return "-" if np.isnan(estimate.value) else f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _mean_time_s(trials: Iterable[Trial], bin_size_s: float) -> float:
    """To the target; a failure counts as the timeout."""
    timeout_s = CenterOut().timeout_s
    times = [seconds_to_target(each, bin_size_s) for each in trials if each.block == "closed loop"]
    return float(np.mean(np.where(np.isnan(times), timeout_s, times)))


def _refit_note(times: dict[tuple[str, str], list[float]]) -> str:
    """Each at its best gain, failures counted as the timeout."""
    means = {label: np.array(each) for (group, label), each in times.items() if group == "ReFIT"}
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
