"""Sessions of a closed loop in files: every bin, the trials as intervals, and what makes the spikes again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.formats.named.npz import arrays_of
from spikeloop.exporters.formats.nwb.closed_loop import TrialRow
from spikeloop.models.errors import BadInputError
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["SUFFIXES", "block_ends_s", "check_one_session", "saved_path", "trial_rows", "write_npz"]

SUFFIXES = (".npz", ".nwb")


def saved_path(path: Any) -> Path:
    """Return the path of a file to save to; BadInputError where it is none, or ends in no suffix that there is."""
    sound = isinstance(path, str | Path) and "\0" not in str(path)
    if not sound or Path(path).suffix not in SUFFIXES:
        raise BadInputError(f"--save: expected a file ending in .npz or .nwb, found {path!r:.80}")
    return Path(path)


def check_one_session(decoders: int, sessions: int) -> None:
    """Raise BadInputError where there is more than the one session that an NWB file holds."""
    if decoders * sessions != 1:
        raise BadInputError(
            f"--save: an NWB file holds one session, of one decoder, found {decoders} decoders and {sessions} sessions;"
            " choose a file ending in .npz"
        )


def write_npz(path: Path, setup: Setup, runs: Sequence[Run], beside: Mapping[str, Any] | None = None) -> None:
    """Write all sessions whose bins were kept to an archive, whole or not at all; see `ClosedLoopResult.save`.

    `beside` has further arrays.
    """
    with whole_file(path) as file:
        np.savez_compressed(file, **_arrays(setup, runs) | dict(beside or {}))  # pyright: ignore[reportArgumentType]


def _arrays(setup: Setup, runs: Sequence[Run]) -> dict[str, Any]:
    names = list(setup.decoders)
    arrays: dict[str, Any] = {
        "decoders": np.array(names),
        "seeds": np.array(setup.seeds),
        "bin_size_s": np.array(setup.loaded.card.bin_size_s),
    }
    for run in runs:
        session = f"{names.index(run.decoder)}-{run.seed}"
        for block in run.record.blocks:
            fields = {key: value for key, value in vars(block).items() if key != "name"}
            fields["outcome"] = np.array(
                [trial.outcome for trial in run.record.trials if trial.block == block.name], str
            )
            arrays |= {f"{session}/{block.name}/{key}": value for key, value in fields.items()}
        if run.record.blocks and run.generated is not None:
            arrays |= {f"{session}/trials/{key}": np.array(value) for key, value in _columns(trial_rows(run)).items()}
            population = arrays_of(run.generated.recording()) | {"session_bins": run.generated.session_bins}
            population |= {"acts": np.array(run.generated.acts)} if run.generated.acts else {}
            arrays |= {f"{session}/population/{key}": np.asarray(value) for key, value in population.items()}
    return arrays


def block_ends_s(run: Run) -> dict[str, np.ndarray]:
    """Return when each bin of each block ended, s, by the clock of the population."""
    assert run.generated is not None
    ends_s, first, found = run.generated.session_ends_s, 0, {}
    for block in run.record.blocks:
        found[block.name] = ends_s[first : first + len(block.counts)]
        first += len(block.counts)
    return found


def trial_rows(run: Run) -> list[TrialRow]:
    """Return the trials that began; times by the clock of the population."""
    ends_s = block_ends_s(run)
    return [_trial(trial, ends_s[trial.block]) for trial in run.record.trials if len(ends_s[trial.block])]


def _columns(rows: Sequence[TrialRow]) -> dict[str, list[Any]]:
    return {key: [getattr(row, key) for row in rows] for key in (vars(rows[0]) if rows else ())}


def _trial(trial: Trial, ends_s: np.ndarray) -> TrialRow:
    def at(bin: int | None) -> float:
        return float("nan") if bin is None else float(ends_s[min(bin, len(ends_s) - 1)])

    return TrialRow(
        start_s=at(trial.appeared_bin),
        stop_s=at(trial.ended_bin),
        block=trial.block,
        number=trial.index,
        outcome=trial.outcome,
        target_x_cm=trial.target.place_cm[0],
        target_y_cm=trial.target.place_cm[1],
        target_width_cm=trial.target.width_cm,
        touched_s=at(trial.touched_bin),
        acquired_s=at(trial.acquired_bin),
    )
