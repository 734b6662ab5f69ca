"""What a worker generates in a row: one part after another, from the last one on that is there."""

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.models.recordings.provenance import THIS_VERSION
from spikeloop.streamer.batch.engine import could_not_run
from spikeloop.streamer.conditions.feeds import ConditionFeed
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.launch.long_generation.parts import Parts
from spikeloop.streamer.stream.source import CHUNK_COUNTS, SamplerSource, Source, WindowSource, open_source

__all__ = ["Stretch", "condition_sha256", "run_stretch"]


@dataclass(frozen=True)
class Stretch:
    """Bins of one seed that a worker generates in a row.

    Attributes
    ----------
    bundle, bundle_sha256 : str
        Its name or path, which every worker sees, and its hash.
    seed : int
    condition : str or None
        As of `--condition`.
    condition_sha256 : str
        Of the file that it names; empty where it names none.
    device : {"auto", "cpu", "cuda"}
    folder : str
        Of the parts.
    bins, part_bins : int
        Of all that the seed generates, and of each part.
    first, last : int
        The first bin, and the one after the last.
    begins : tuple of str
        Where the random numbers are at the first bin, as of `state_of`; empty at the seed's own beginning.
    """

    bundle: str
    bundle_sha256: str
    seed: int
    condition: str | None
    condition_sha256: str
    device: Device
    folder: str
    bins: int
    part_bins: int
    first: int
    last: int
    begins: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """What a worker gets: the stretch as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @cached_property
    def parts(self) -> Parts:
        """Where its counts are kept."""
        about = (THIS_VERSION, self.bundle_sha256, self.seed, self.condition, self.condition_sha256, self.device)
        key = sha256(json.dumps(about).encode()).hexdigest()[:24]
        return Parts(Path(self.folder), key, self.part_bins, self.bins)

    @property
    def firsts(self) -> range:
        """The first bin of each of its parts."""
        return range(self.first, self.last, self.part_bins)

    @property
    def done(self) -> bool:
        """Whether all of its parts are there."""
        return all(map(self.parts.has, self.firsts))

    def __str__(self) -> str:
        return f"{self.bundle}, seed {self.seed}, bins {self.first} to {self.last - 1}"


def condition_sha256(condition: str | None) -> str:
    """Return the hash of the file that a condition names, as file:PATH; empty where it names none."""
    kind, _, path = (condition or "").partition(":")
    return sha256(Path(path).read_bytes()).hexdigest() if kind == "file" and Path(path).is_file() else ""


def run_stretch(task: str) -> str:
    """Generate a stretch, from the last part on that is there.

    Parameters
    ----------
    task : str
        As of `Stretch.task`.

    Returns
    -------
    str
        Empty; or as of `could_not_run`.
    """
    stretch = Stretch(**json.loads(task))
    try:
        _generate(stretch)
    except SpikeloopError as error:
        return could_not_run(f"{stretch}: {error}")
    return ""


def _generate(stretch: Stretch) -> None:
    loaded = load_bundle(stretch.bundle)
    if (loaded.sha256, condition_sha256(stretch.condition)) != (stretch.bundle_sha256, stretch.condition_sha256):
        raise FailureError("the worker found another bundle or condition there; give every machine the same files")
    source = open_source(loaded, stretch.seed, stretch.device)
    feed, done = open_offline_drive(stretch.condition, loaded.card.channels), _go_on(source, stretch)
    feed.skip(done)
    for first in range(done, stretch.last, stretch.part_bins):
        counts = _counts(source, feed, stretch.parts.size(first))
        state = None if isinstance(source, SamplerSource) else source.state
        stretch.parts.put(first, counts, source.provider, state)


def _go_on(source: Source, stretch: Stretch) -> int:
    """Put a source where the parts end that are there already; return the first bin after them."""
    if isinstance(source, SamplerSource):
        return stretch.first
    for first in reversed([*takewhile(stretch.parts.has, stretch.firsts)]):
        state = stretch.parts.state_after(first)
        if state is not None:
            source.state = state
            return first + stretch.parts.size(first)
    if isinstance(source, WindowSource) and stretch.begins:
        source.state = replace(source.state, randoms=stretch.begins)
    return stretch.first


def _counts(source: Source, feed: ConditionFeed, bins: int) -> Counts:
    """The next bins, chunk by chunk."""
    chunk_bins = max(1, CHUNK_COUNTS // len(source.unit_names))
    sizes = [min(chunk_bins, bins - done) for done in range(0, bins, chunk_bins)]
    return np.concatenate([source.next(size, feed.next(size)) for size in sizes])
