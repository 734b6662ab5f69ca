"""`spikeloop.write_falcon`: a decoder of ours written in the interface of the FALCON challenge."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.history import HISTORY_S, with_history
from spikeloop.models.decoders.spec import DecoderSpec, parse_decoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import decodable_of
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.inference.decoder_files.external_weights import external_weights
from spikeloop.streamer.inference.decoder_files.file_text import parse_file
from spikeloop.streamer.inference.decoder_files.registry import FORMATS
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.launch.checks import check_seed, whole_bins
from spikeloop.streamer.launch.falcon_submission import DATA, DESCRIPTION, Submission
from spikeloop.streamer.launch.suitability import check_further, target_columns

__all__ = ["write_falcon"]

Session = str | Path | Recording
Sessions = Mapping[str, Session] | Sequence[Session] | Session

PROGRAM = '''"""{decoder} in the interface of the FALCON challenge: Decoder(task_config, batch_size).

Written by `spikeloop falcon`. It needs the files beside it, and spikeloop with its extra `cpu`.
"""

from pathlib import Path

from spikeloop.streamer.launch.falcon_submission import SubmittedDecoder

try:
    from falcon_challenge.interface import BCIDecoder
except ImportError:  # all of its methods are here
    BCIDecoder = object


class Decoder(SubmittedDecoder, BCIDecoder):
    def __init__(self, task_config, batch_size=1):
        SubmittedDecoder.__init__(self, Path(__file__).parent, task_config, batch_size)
'''


def write_falcon(
    decoder: str,
    recordings: Sessions,
    path: str | Path,
    *,
    target: Sequence[str] = ("velocity",),
    lag_s: float = 0.0,
    seed: int = 0,
) -> Path:
    """Write a decoder in the interface of the FALCON challenge (Karpowicz et al. 2024), `BCIDecoder` of its package.

    Parameters
    ----------
    decoder : str
        One that learns from recordings, such as "kalman", "ridge:20" or "sklearn:linear_model.Ridge(alpha=10)"; or one
        that has learned, "onnx:FILE", "torch:FILE" or "skops:FILE".
    recordings : dict by tag, sequence, or one of str, Path or Recording
        Sessions with kinematics, to learn from. A tag is what the challenge's `hash_dataset` makes of a session's file,
        such as "Run1_20201019"; without tags, recordings go by their names. A decoder that has learned takes from them
        only the sizes.
    path : str or Path
        Of a folder to write, which must be new or empty.
    target : sequence of str, default ("velocity",)
        What is decoded: "velocity", "position", or names of conditions.
    lag_s : float >= 0, s, default 0
        By which the kinematics are later than the counts; whole bins.
    seed : int >= 0, default 0

    Returns
    -------
    Path
        Of the program, `decoder.py`, which has the class `Decoder`.

    Raises
    ------
    BadInputError
        If decoder, recordings and target don't go together, or the folder holds something.
    FailureError
        If the decoder can't be made, a package that it needs is not installed, or the disk refuses.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.write_falcon("kalman", {"Run1_20201019": "m1-sim:60"}, "submission")  # doctest: +SKIP
    PosixPath('submission/decoder.py')
    """
    check_seed(seed)
    spec, folder = parse_decoder(decoder), Path(path)
    _check_written(spec, folder)
    sessions = _read(recordings)
    first = next(iter(sessions.values()))
    columns = target_columns(first, target)
    lag_bins = whole_bins("--lag-ms", lag_s, first.bin_size_s, least=0)
    for tag, session in sessions.items():
        check_further(tag, session, first, target)
    opened = with_history(spec, HISTORY_S, first.bin_size_s)
    open_decoder(opened, units=first.units, bin_size_s=first.bin_size_s, seed=seed)  # before the work, not after it
    text, files = _own_files(spec)
    learned = {tag: decodable_of(session, columns, lag_bins) for tag, session in sessions.items()}
    tags = tuple(learned) if spec.needs_calibration else ()
    arrays = {f"counts_{tag}": learned[tag].counts for tag in tags}
    arrays |= {f"kinematics_{tag}": learned[tag].kinematics.astype(np.float32) for tag in tags}
    submission = Submission(text, first.units, len(columns), first.bin_size_s, tags, seed)
    if tags:
        held = io.BytesIO()
        np.savez_compressed(held, allow_pickle=False, **arrays)
        files[DATA] = held.getvalue()
    files |= {DESCRIPTION: submission.to_json().encode(), "decoder.py": PROGRAM.format(decoder=spec.text).encode()}
    for name, content in files.items():
        with whole_file(folder / name) as file:
            file.write(content)
    return folder / "decoder.py"


def _check_written(spec: DecoderSpec, folder: Path) -> None:
    if not spec.needs_calibration and spec.kind not in FORMATS:
        raise BadInputError(
            f"--decoder: expected one that learns from recordings, such as kalman, or a file, such as onnx:FILE, found"
            f" {spec.text!r:.80}; write a class of your own with the challenge's own BCIDecoder"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInputError(f"--out: expected a folder that is new or empty, found {folder}; choose another")


def _read(recordings: Sessions) -> dict[str, Recording]:
    if isinstance(recordings, Mapping):
        found = {str(tag): _opened(given) for tag, given in recordings.items()}
    else:
        several = [recordings] if isinstance(recordings, Session) else [*recordings]
        opened = [_opened(given) for given in several]
        found = {session.name: session for session in opened}
        if len(found) < len(opened):
            raise BadInputError("--data: expected recordings of different names, found two of one; give them tags")
    if not found:
        raise BadInputError("--data: expected one recording or more, found none")
    return found


def _opened(given: Session) -> Recording:
    return given if isinstance(given, Recording) else read_recording(given)


def _own_files(spec: DecoderSpec) -> tuple[str, dict[str, bytes]]:
    """The decoder's text inside the folder, and the files that it needs there."""
    if spec.kind not in FORMATS:
        return spec.text, {}
    path, _ = parse_file(spec.argument)
    options = spec.argument.removeprefix(str(path))
    content = path.read_bytes()
    beside = external_weights(content, path.parent) if spec.kind == "onnx" else {}
    return f"{spec.kind}:{path.name}{options}", {path.name: content, **beside}
