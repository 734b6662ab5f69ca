"""What a file holds to be played in the page: the session of a closed loop with its cursor, or any recording."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read import read_chosen
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.closedloop.results.read_session import SavedSession, SavedTrial, read_sessions
from spikeloop.streamer.dashboard.play.setup import EXTENT_CM

__all__ = ["ReplayFile", "read_replay"]

LARGEST_COUNT = 255


@dataclass(frozen=True, eq=False)
class ReplayFile:
    """A recording, and what the screen showed meanwhile.

    Attributes
    ----------
    name : str
    recording : Recording
    position : array of shape (bins, 2), float32, cm, or None
        Of the cursor; None where there was none.
    trials : tuple of SavedTrial
    extent_cm : float, cm
        Side of the workspace.
    cells : int
        Of a side of the grid; 0 where targets are no cells of one.
    decoder : str
    sessions : tuple of str
        All that the file holds.
    """

    name: str
    recording: Recording
    position: NDArray[np.float32] | None = None
    trials: tuple[SavedTrial, ...] = ()
    extent_cm: float = EXTENT_CM
    cells: int = 0
    decoder: str = ""
    sessions: tuple[str, ...] = ()


def read_replay(file: str | Path, session: str = "") -> ReplayFile:
    """Read a file, or a recording by its name.

    Parameters
    ----------
    file : str or Path
    session : str
        Name of one of the sessions in the file; the first where it is empty.

    Raises
    ------
    BadInputError, FailureError
        If it can't be read, or has no such session.
    """
    path = Path(file)
    sessions = read_sessions(path) if path.is_file() else ()
    if sessions:
        names = tuple(one.name for one in sessions)
        found = [one for one in sessions if one.name == session or not session]
        if not found:
            raise BadInputError(f"{path.name}: expected a session of {', '.join(names)}, found {session!r:.60}")
        return _of_session(path.name, found[0], names)
    recording = _recording(file)
    if recording.signal != "spikes":
        raise BadInputError(f"{path.name}: expected spikes, found {recording.signal}; the page shows counts")
    return ReplayFile(path.name, recording)


def _recording(file: str | Path) -> Recording:
    """Read a recording as it stands; one that needs options of reading is to be converted first."""
    try:
        return read_chosen(file, Choices())
    except BadInputError as error:
        if "--" not in str(error):
            raise
        raise BadInputError(
            f"{error}. The page has no such options: write it anew with spikeloop convert, which has them, and play"
            " that"
        ) from error


def _of_session(name: str, session: SavedSession, names: tuple[str, ...]) -> ReplayFile:
    known = np.nan_to_num(session.intended_velocity).astype(np.float32)
    largest = max(1.0, float(np.abs(known).max(initial=0.0)))
    recording = Recording(
        counts=session.counts.clip(max=LARGEST_COUNT).astype(np.uint8)[np.newaxis],
        bin_size_s=session.bin_size_s,
        unit_names=session.unit_names,
        name=name,
        channels=tuple(Condition(f"velocity {axis}", "cm/s", -largest, largest) for axis in "xy"),
        driven_by=known[np.newaxis],
    )
    extent = max(EXTENT_CM, 2 * float(np.nanmax(np.abs(session.position), initial=0.0)))
    return ReplayFile(
        name, recording, session.position.astype(np.float32), session.trials, extent, _cells(session.trials, extent),
        session.decoder, names,
    )  # fmt: skip


def _cells(trials: tuple[SavedTrial, ...], extent_cm: float) -> int:
    """Return how many cells a side has of which all targets would be whole ones; 0 where there are none."""
    widths = {trial.target[2] for trial in trials}
    width = widths.pop() if len(widths) == 1 else np.nan
    cells = extent_cm / width if width > 0 else np.nan
    if not np.isfinite(cells) or abs(cells - round(cells)) > 1e-6:
        return 0
    places = np.array([trial.target[:2] for trial in trials])
    at = (places + extent_cm / 2) / width - 0.5
    return round(cells) if len(trials) > 1 and np.abs(at - np.rint(at)).max() < 1e-6 else 0
