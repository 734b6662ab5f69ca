"""`spikeloop train`: learn a population from a recording."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from spikeloop.models.baselines import BASELINES
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.likeness import Likeness
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.recording import Recording, with_phase, without_conditions
from spikeloop.streamer.commands.options import check_seed, require_packages, require_torch
from spikeloop.streamer.commands.output import likeness_rows, print_json, print_likeness
from spikeloop.streamer.session import Device

if TYPE_CHECKING:
    from spikeloop.models import training

__all__ = ["train"]

CAUSAL = ("causal_gan", "vae", "vae_gan")  # families that answer to conditions


def train(
    *,
    data: str = "retina",
    out: Path,
    family: str = "causal_gan",
    preset: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    hold_out: int = 5,
    seed: int = 0,
    device: Device = "auto",
    bin_size_ms: float | None = None,
    repeat_bins: int | None = None,
    condition: Literal["none", "phase", "recorded"] = "none",
    lead_ms: float = 0.0,
    json: bool = False,
) -> int:
    """Train on a recording. Run it again after an interruption, and it goes on where it was.

    Parameters
    ----------
    data
        a recording's name (retina, m1_jango, rat_m1_ms, calcium_odor, m1-sim, packets:MODES:WINDOWS such as
        packets:1:8192), or the path of a .npz or .mat file
    out
        folder of the checkpoint
    family
        causal_gan, vae or vae_gan, which stream without end; spike_gan, which gives windows; or a baseline,
        dichotomized_gaussian or k_pairwise, which is fitted in one go (the last three: at most one spike a bin)
    preset
        settings: fast, counts or short of causal_gan, vae and vae_gan, by default what suits the recording
        (several spikes a bin; fewer than 40,000 bins); fast, paper (as published), fully_connected (the paper's
        comparison) or importance (a critic for importance maps; its generator stays at independent units) of
        spike_gan; default or stationary of dichotomized_gaussian; default of k_pairwise
    minutes
        of training in all; 10 where no steps are given
    steps
        of training in all
    hold_out
        every n-th repeat is kept to judge by; 0 trains on all of them
    seed
        the same seed takes the same steps
    device
        where to train
    bin_size_ms
        of a file that doesn't state it
    repeat_bins
        cut a continuous array into repeats of so many bins
    condition
        what the model is to answer to: none, the phase of a repeated stimulus, or what was recorded beside the spikes
        (such as kinematics); of causal_gan, vae and vae_gan
    lead_ms
        by how much the spikes run ahead of recorded conditions, as motor cortex does of the movement; the model's
        spikes come as much later
    json
        print one JSON document at the end
    """
    minutes_or_steps = minutes is not None or steps is not None
    minutes = 10.0 if minutes is None and steps is None else minutes
    if (minutes is not None and not minutes > 0) or (steps is not None and steps < 1):
        raise BadInputError("--minutes, --steps: expected more than 0")
    check_seed(seed)
    recording = find_recording(data, bin_size_ms / 1000 if bin_size_ms is not None else None, repeat_bins)
    recording, lead_bins = _conditioned(recording, family, condition, lead_ms, hold_out)
    if family in BASELINES:
        if minutes_or_steps:
            raise BadInputError(f"--minutes, --steps: {family} is fitted in one go; leave them out")
        return _fit(recording, family, preset or "default", out, hold_out, seed, json)
    require_torch()
    from spikeloop.models import families, training

    preset = preset or families.suited_preset(family, recording)
    run = training.Training(recording, families.preset(family, preset, hold_out, seed, lead_bins), device)
    with _ProgressBar(minutes, steps) as bar:
        likeness = training.train(run, out, minutes, steps, bar.show)
    if json:
        summary = {"checkpoint": str(out), "steps": run.steps, "trained_s": run.trained_s, "device": str(run.device)}
        print_json(summary | {"judged_on": run.examination.judged_on, "realism": likeness_rows(likeness)})
    else:
        print_likeness(likeness, run.examination.judged_on)
        print(f"\n{out}: {run.steps} steps in {run.trained_s / 60:.1f} min; next: spikeloop export {out} --out BUNDLE")
    return 0


def _conditioned(
    recording: Recording, family: str, condition: str, lead_ms: float, hold_out: int
) -> tuple[Recording, int]:
    """The recording with what the model is to answer to, and the lead in bins."""
    if condition == "none":
        if lead_ms:
            raise BadInputError("--lead-ms: expected --condition recorded beside it, found no condition")
        return without_conditions(recording), 0
    if family not in CAUSAL:
        raise BadInputError(f"--condition: {family} answers to nothing; take {', '.join(CAUSAL)}")
    if condition == "phase":
        if lead_ms:
            raise BadInputError("--lead-ms: a phase is known ahead; leave it out")
        if recording.repeats < hold_out:
            raise BadInputError(
                f"--condition phase: expected at least {hold_out} repeats, as one in {hold_out} is held out, found"
                f" {recording.repeats}; lower --hold-out (0 trains on all)"
            )
        return with_phase(recording), 0
    if not recording.channels:
        raise BadInputError(
            f"--condition: {recording.name} has none recorded; expected an array `conditions` (..., channels) beside"
            " the spikes"
        )
    lead_bins = lead_ms / 1000 / recording.bin_size_s
    if not 0 <= lead_bins <= recording.bins - 1:
        longest_ms = (recording.bins - 1) * recording.bin_size_s * 1000
        raise BadInputError(f"--lead-ms: expected 0 to {longest_ms:g} (less than a repeat), found {lead_ms:g}")
    return recording, round(lead_bins)


def _fit(recording: Recording, family: str, preset: str, out: Path, hold_out: int, seed: int, json: bool) -> int:
    require_packages("safetensors", "filelock")
    from spikeloop.models.fitting import fit

    began = time.perf_counter()
    with RichProgress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"fitting {family}", total=1.0)
        likeness = fit(
            recording, family, out, preset, hold_out, seed, lambda share: progress.update(task, completed=share)
        )
    judged_on = "held-out repeats" if hold_out else "training data"
    if json:
        summary = {"checkpoint": str(out), "family": family, "trained_s": time.perf_counter() - began}
        print_json(summary | {"judged_on": judged_on, "realism": likeness_rows(likeness)})
    else:
        print_likeness(likeness, judged_on)
        print(f"\n{out}: fitted in {time.perf_counter() - began:.1f} s; next: spikeloop export {out} --out BUNDLE")
    return 0


class _ProgressBar:
    """A bar on stderr, with the likeness as it improves."""

    def __init__(self, minutes: float | None, steps: int | None) -> None:
        self._by_time = minutes is not None
        self._shown: tuple[Likeness, ...] = ()
        self._bar = RichProgress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            refresh_per_second=2,
        )
        self._task = self._bar.add_task("", total=60 * minutes if minutes is not None else steps)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        self._bar.console.print(line)

    def show(self, progress: "training.Progress") -> None:
        done = progress.trained_s if self._by_time else progress.steps
        self._bar.update(self._task, completed=done, description=f"step {progress.steps}")
        if progress.resumed:
            self.say(f"resuming at step {progress.steps} ({progress.trained_s / 60:.1f} min)")
        if progress.likeness != self._shown:
            self._shown = progress.likeness
            ratios = ", ".join(f"{each.statistic} {each.ratio:.2f}" for each in progress.likeness)
            self.say(f"{progress.trained_s / 60:.1f} min, step {progress.steps}, E/F: {ratios}")
