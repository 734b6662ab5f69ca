"""A decoder of ours in the interface of the FALCON challenge, as `spikeloop falcon` writes it to a folder.

The folder holds `submission.json` (`Submission`), `sessions.npz` with what the decoder learns from, `counts_TAG` and
`kinematics_TAG` of each session, and the decoder's own files where it has learned already.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.history import HISTORY_S, with_history
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import Decodable
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.inference.open_decoder import open_decoder

__all__ = ["DATA", "DESCRIPTION", "Submission", "SubmittedDecoder"]

DESCRIPTION, DATA = "submission.json", "sessions.npz"


@dataclass(frozen=True)
class Submission:
    """What a folder holds.

    Attributes
    ----------
    decoder : str
        As `--decoder` has it; a file's path is relative to the folder.
    units, columns : int
    bin_size_s : float > 0, s
    sessions : tuple of str
        Tags of the sessions to learn from; none of a decoder that has learned.
    seed : int
    """

    decoder: str
    units: int
    columns: int
    bin_size_s: float
    sessions: tuple[str, ...] = ()
    seed: int = 0

    def to_json(self) -> str:
        """Return the text of `submission.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Submission":
        """Read what a folder holds; BadInputError where it is no submission."""
        try:
            found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            return cls(**{**found, "sessions": tuple(found["sessions"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise BadInputError(
                f"{folder / DESCRIPTION}: expected {names} as `spikeloop falcon` writes them ({error}); write it again"
            ) from error


class SubmittedDecoder:
    """The interface of `falcon_challenge.interface.BCIDecoder` 1.0.2 around one decoder for each row of a batch.

    A session of which the folder has data is decoded by what was fitted on these; any other by what was fitted on all.

    Parameters
    ----------
    folder : Path
    task_config : object with n_channels, out_dim, bin_size_ms and hash_dataset
    batch_size : int >= 1, default 1

    Raises
    ------
    BadInputError
        If the folder is no submission, or not of the task's channels, outputs and bins.
    """

    def __init__(self, folder: Path, task_config: Any, batch_size: int = 1) -> None:
        self._folder, self._task_config, self.batch_size = folder, task_config, batch_size
        self._submission = Submission.read(folder)
        self._check(self._submission)
        self._sessions = self._read_sessions()
        self.reset()

    def reset(self, dataset_tags: Sequence[Any] = ("",)) -> None:
        """Begin with these sessions, files or their names, one a row of the batch."""
        tags = [*dataset_tags, *[""] * (self.batch_size - len(dataset_tags))]
        self._rows = [self._opened(tag) for tag in tags]

    def predict(self, neural_observations: NDArray[Any]) -> NDArray[np.float64]:
        """Return the kinematics (batch, outputs) of the next bin, of its counts (batch, channels)."""
        given = zip(self._rows, np.asarray(neural_observations), strict=False)
        return np.stack([decoder.step(counts) for decoder, counts in given])

    def observe(self, neural_observations: NDArray[Any]) -> None:
        """See a bin that needs no prediction."""
        self.predict(neural_observations)

    def on_done(self, dones: NDArray[Any]) -> None:
        """Do nothing at the end of a trial: bins go on."""

    def set_batch_size(self, batch_size: int) -> None:
        """Decode so many sessions at once, from the next `reset` on."""
        self.batch_size = batch_size

    def _opened(self, tag: Any) -> Decoder:
        submission = self._submission
        spec = parse_decoder(submission.decoder)
        if not spec.needs_calibration:
            kind, _, file = submission.decoder.partition(":")
            spec = parse_decoder(f"{kind}:{self._folder / file}")
        spec = with_history(spec, HISTORY_S, submission.bin_size_s)
        decoder = open_decoder(spec, units=submission.units, bin_size_s=submission.bin_size_s, seed=submission.seed)
        if submission.sessions:
            chosen = self._sessions.get(self._hashed(tag))
            data = [chosen] if chosen is not None else [*self._sessions.values()]
            counts = np.concatenate([session.counts for session in data])
            decoder.fit(counts, np.concatenate([session.kinematics for session in data]))
        return decoder

    def _hashed(self, tag: Any) -> str:
        """The session's tag, as the task makes it of a file's name; the name itself of what is none of the task's."""
        name = tag.stem if isinstance(tag, Path) else str(tag)
        with suppress(Exception):  # of the task's own parsing, anything
            return str(self._task_config.hash_dataset(name))
        return name

    def _read_sessions(self) -> dict[str, Decodable]:
        if not self._submission.sessions:
            return {}
        with np.load(self._folder / DATA, allow_pickle=False) as held:
            return {
                tag: Decodable(held[f"counts_{tag}"], held[f"kinematics_{tag}"].astype(np.float64))
                for tag in self._submission.sessions
            }

    def _check(self, submission: Submission) -> None:
        config = self._task_config
        same = (config.n_channels, config.out_dim) == (submission.units, submission.columns)
        if not same or not same_bin_size(config.bin_size_ms / 1000, submission.bin_size_s):
            raise BadInputError(
                f"{self._folder}: expected a task of {submission.units} channels, {submission.columns} outputs and bins"
                f" of {1000 * submission.bin_size_s:g} ms, found {config.n_channels}, {config.out_dim} and"
                f" {config.bin_size_ms:g} ms; write a decoder from that task's recordings"
            )
