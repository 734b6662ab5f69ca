"""A session of a closed loop as an NWB file: units, conditions, cursor, target, and its trials as intervals."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.nwb.closed_loop import Shown, add_cursor, add_trials
from spikeloop.exporters.formats.nwb.writer import write_nwb
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import BLOCKS
from spikeloop.streamer.closedloop.results.saved import block_ends_s, trial_rows

__all__ = ["write_session"]

SERIES = (  # of a block, name in the file, unit, and what it is
    ("position", "cursor", "cm", "Position x and y of the cursor"),
    ("target", "target", "cm", "Place x and y of the target; NaN where none was shown"),
    ("velocity", "cursor_velocity", "cm/s", "Velocity x and y of the cursor"),
    ("intended_velocity", "intended_velocity", "cm/s", "Velocity x and y that the user intended"),
)


def write_session(path: Path, run: Run) -> None:
    """Write a session, whole or not at all; `read_recording` reads the population's spikes and conditions back.

    Raises
    ------
    BadInputError
        If nothing of its bins was kept.
    FailureError
        If the disk refuses, or PyNWB is not installed.
    """
    if run.generated is None or not run.record.blocks:
        raise BadInputError("--save: expected a session of which bins were kept, found none; keep its bins")
    write_nwb(run.generated.recording(), path, partial(_add, run))


def _add(run: Run, session: Any) -> None:
    assert run.generated is not None
    ends_s = np.concatenate(list(block_ends_s(run).values()))
    timing: dict[str, Any] = {"timestamps": ends_s}
    if len(ends_s) and (np.diff(run.generated.session_bins) == 1).all():
        timing = {"starting_time": float(ends_s[0]), "rate": 1 / run.generated.provenance.bin_size_s}
    blocks = run.record.blocks
    shown = [
        Shown(name, np.concatenate([getattr(block, field) for block in blocks]), unit, what)
        for field, name, unit, what in SERIES
    ]
    add_cursor(session, [*shown, *_of_targets_and_blocks(run)], timing)
    add_trials(session, trial_rows(run))


def _of_targets_and_blocks(run: Run) -> tuple[Shown, Shown]:
    blocks = run.record.blocks
    widths = {trial.index: trial.target.width_cm for trial in run.record.trials}
    trials, targets = (np.concatenate([getattr(block, field) for block in blocks]) for field in ("trial", "target"))
    width = np.array([widths.get(trial, np.nan) for trial in trials.tolist()])
    numbers = np.concatenate([np.full(len(block.counts), float(BLOCKS.index(block.name))) for block in blocks])
    which = ", ".join(f"{number} {name}" for number, name in enumerate(BLOCKS))
    return (
        Shown("target_width", np.where(np.isfinite(targets[:, 0]), width, np.nan), "cm", "Width of the target"),
        Shown("block", numbers, "number", f"Number of the block: {which}"),
    )
