"""Small trainings that one process or two make; as a program, the part of the second process."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from spikeloop.models.families.registry import Settings, load_gan_family
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training.processes import ALONE, Processes, joined, training_device
from spikeloop.models.training.run import Training
from spikeloop.models.training.saved_run import resume_run, save_run
from spikeloop.models.training.trainer import train
from tests.support.training import SMALL
from tests.support.unequal import unequal

__all__ = ["CASES", "INTERRUPTED_STEP", "STEPS", "alone", "end_alone", "play_through", "training"]

STEPS = 6  # of which three are of the first stage, one of the critic alone, and two of both
INTERRUPTED_STEP = 2
CAUSAL = SMALL | {"likelihood_steps": 3, "critic_lead": 1, "encoder_size": 8}
LEAST = 1e-3  # of Adam's denominators: some gradients cancel but for rounding, which it would make steps of full length


def _even(windows: int) -> Recording:
    return correlated_groups(windows, window_bins=64, units=6, spike_probability=0.1, seed=1)


def _uneven() -> Recording:
    return unequal([64, 40, 90, 120] * 5, units=6, largest=3)


CASES: dict[str, tuple[str, dict[str, Any], Callable[[], Recording]]] = {
    "runs that go on, and a rule": ("causal_gan", CAUSAL, partial(_even, 104)),
    "crops of unequal length": ("vae_gan", CAUSAL | {"carried_share": 0.0}, _uneven),
    "windows": ("spike_gan", {"features": 8, "batch": 8, "latent_size": 16}, partial(_even, 30)),
}


def training(case: str, processes: Processes = ALONE) -> Training:
    """Begin a training; that of a causal model has a rule that ends its first stage, where the recording is long."""
    family, options, recording = CASES[case]
    config = replace(load_gan_family(family).presets["fast"], **options)
    settings = Settings(family, "fast", config, calibrate_rates=False, stop_early=family != "spike_gan")
    run = Training(recording(), settings, "cpu", processes)
    for optimizer in run.optimizers.values():
        optimizer.param_groups[0]["eps"] = LEAST
    return run


def _trained(case: str, folder: Path, steps: int, processes: Processes = ALONE) -> None:
    """Train up to so many steps in all, continuing from the folder's checkpoint where there is one, and save."""
    run = training(case, processes)
    resume_run(run, folder)
    while run.steps < steps:
        run.step()
    if processes.first:
        save_run(run, folder)


def _interrupted(folder: Path, processes: Processes) -> Training:
    """Train as the command does; the second process alone is interrupted, in the middle of a step."""
    run = training("windows", processes)
    learn = run.model.learn

    def interrupting(step: int, *rest: Any) -> float:
        if step == INTERRUPTED_STEP - 1 and run.steps == step and not processes.first:
            signal.raise_signal(signal.SIGINT)
        return learn(step, *rest)

    run.model.learn = interrupting  # pyright: ignore[reportAttributeAccessIssue]
    try:
        train(run, folder, None, steps=STEPS)
    except KeyboardInterrupt:
        return run
    raise AssertionError("expected to be interrupted, found the training finished")


def play_through(folder: Path, processes: Processes) -> tuple[Training, Training]:
    """Make every training by both, half of those that one ends and the rest of those that one began.

    Returns
    -------
    tuple of Training
        One that was interrupted, and one that continued it to its end.
    """
    for case in CASES:
        _trained(case, folder / case / "by both", STEPS, processes)
        _trained(case, folder / case / "begun by one", STEPS, processes)
        _trained(case, folder / case / "begun by both", STEPS // 2, processes)
    stopped = _interrupted(folder / "interrupted", processes)
    ended = training("windows", processes)
    train(ended, folder / "interrupted", None, steps=STEPS)
    return stopped, ended


def alone(folder: Path, case: str) -> None:
    """Make a training by one, and the beginning of one that both end."""
    _trained(case, folder / case / "by one", STEPS)
    _trained(case, folder / case / "begun by one", STEPS // 2)


def end_alone(folder: Path, case: str) -> None:
    """End a training that both began."""
    _trained(case, folder / case / "begun by both", STEPS)


def main(folder: Path) -> None:
    processes = Processes.of_environment()
    with joined(processes, training_device("cpu", processes)):
        stopped, ended = play_through(folder, processes)
        (folder / "second").write_text(f"{stopped.steps} {[row.error for row in ended.similarity]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
