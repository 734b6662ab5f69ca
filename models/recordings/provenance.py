"""What made spikes that were generated: the facts from which they can be made again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats

__all__ = ["Provenance", "Replayed", "Signal", "bin_numbers", "parse_provenance"]

Signal = Literal["spikes", "fluorescence"]
LARGEST_WHOLE = 2**63 - 1  # that a description may hold, as of a seed


try:
    THIS_VERSION = version("spikeloop")  # looked up once, as that reads the disk
except PackageNotFoundError:  # a checkout that was never installed
    THIS_VERSION = "0+unknown"


@dataclass(frozen=True)
class Provenance:
    """What made a stream, or a file: the same facts in a stream's description and in a file.

    Attributes
    ----------
    bundle, sha256 : str
        Name and hash of the bundle.
    seed : int
    bin_size_s : float > 0, s
    step_bins : int >= 1
        Bins that are generated and sent at once.
    start_s : float, s
        When bin 0 begins, on LSL's clock, or the file's: bin k ends at start_s + (k + 1) * bin_size_s.
    condition : str
        What drives it, as the user asked for it; empty where nothing does.
    latency_bins : int >= 0
        Bins by which its spikes come later, relative to what drives them, than in the recording.
    signal : {"spikes", "fluorescence"}
    version : str
        Of spikeloop; by default this one.
    """

    bundle: str
    sha256: str
    seed: int
    bin_size_s: float
    step_bins: int
    start_s: float
    condition: str = ""
    latency_bins: int = 0
    signal: Signal = "spikes"
    version: str = THIS_VERSION


@dataclass(frozen=True)
class Replayed:
    """What a stream states of itself where its spikes were recorded.

    Attributes
    ----------
    recording : str
        Its name.
    bin_size_s, step_bins, start_s, condition, latency_bins, signal, version
        As of `Provenance`.
    provenance : str or None
        What made the recording, as JSON of a `Provenance` by this stream's clock; None where these bins can't be made
        again from it.
    """

    recording: str
    bin_size_s: float
    step_bins: int
    start_s: float
    condition: str = "recorded"
    latency_bins: int = 0
    signal: Signal = "spikes"
    version: str = THIS_VERSION
    provenance: str | None = None


KINDS = {fact.name: fact.type for fact in fields(Provenance)}


def parse_provenance(entries: Mapping[str, Any]) -> Provenance | None:
    """Read the facts, of a stream's description or of a file.

    Parameters
    ----------
    entries : mapping of str to str, int or float
        Others than the facts are ignored.

    Returns
    -------
    Provenance or None
        None where one of the facts is absent or can't be what it should.
    """
    try:
        found: dict[str, Any] = {name: _parse(kind, str(entries[name])) for name, kind in KINDS.items()}
    except (KeyError, ValueError):
        return None
    if not found["bin_size_s"] > 0 or found["step_bins"] < 1 or found["signal"] not in ("spikes", "fluorescence"):
        return None
    return Provenance(**found)


def _parse(kind: object, text: str) -> str | int | float:
    if kind is int:
        value = int(text)
        if not 0 <= value <= LARGEST_WHOLE:
            raise ValueError
        return value
    if kind is float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError
        return number
    return text


def bin_numbers(ends_s: Floats, provenance: Provenance) -> NDArray[np.int64]:
    """Return the number of the bin that ends at each of these times, by the clock of the provenance."""
    return np.rint((ends_s - provenance.start_s) / provenance.bin_size_s).astype(np.int64) - 1
