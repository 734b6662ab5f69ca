"""The text that names a decoder's file, and the options with which it settles what the file leaves open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from spikeloop.models.decoders.spec import LONGEST_HISTORY
from spikeloop.models.errors import BadInputError

__all__ = ["AXES", "FileOptions", "parse_file"]

AXES = ("bins,units", "units,bins")


@dataclass(frozen=True)
class FileOptions:
    """What the user says of a file, as in `net.onnx?history=20&output=velocity`.

    Attributes
    ----------
    input, output : str, optional
        Names of the tensors that take the counts and give the velocity.
    history : int >= 1, optional
        Bins that are given at once, where the file leaves them free.
    axes : {"bins,units", "units,bins"}, optional
        Which comes first, where both fit.
    states : dict of str
        For the input of a state, the output that it goes on with; written `states=h:hn,c:cn`.
    """

    input: str | None = None
    output: str | None = None
    history: int | None = None
    axes: str | None = None
    states: Mapping[str, str] = field(default_factory=dict)


def parse_file(text: str) -> tuple[Path, FileOptions]:
    """Parse `FILE` or `FILE?OPTION=VALUE&OPTION=VALUE`.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of Path and FileOptions

    Raises
    ------
    BadInputError
        If an option isn't one of `FileOptions`, or its value is no such value.
    """
    path, question, query = text.rpartition("?")
    if not question or "=" not in query:
        return Path(text), FileOptions()
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := set(given) - set(FileOptions.__dataclass_fields__):
        raise BadInputError(
            f"--decoder: expected options of {', '.join(FileOptions.__dataclass_fields__)} after the ? of {text!r:.80},"
            f" found {', '.join(sorted(unknown))}"
        )
    return Path(path), FileOptions(
        input=given.get("input"),
        output=given.get("output"),
        history=_history(given["history"]) if "history" in given else None,
        axes=_axes(given["axes"]) if "axes" in given else None,
        states=_pairs(given["states"]) if "states" in given else {},
    )


def _history(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= LONGEST_HISTORY):
        raise BadInputError(f"--decoder: expected history=BINS, 1 to {LONGEST_HISTORY}, found history={text:.40}")
    return int(text)


def _axes(text: str) -> str:
    if text not in AXES:
        raise BadInputError(f"--decoder: expected axes={' or axes='.join(AXES)}, found axes={text:.40}")
    return text


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.rpartition(":") for pair in text.split(",")]
    if not all(taken and given for taken, _, given in pairs):
        raise BadInputError(f"--decoder: expected states=INPUT:OUTPUT,INPUT:OUTPUT, found states={text:.80}")
    return {taken: given for taken, _, given in pairs}
