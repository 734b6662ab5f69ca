"""Whether what the standard's own places say in an NWB file of ours is what its notes say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.nwb.lab_metadata import LAB_METADATA, parse_lab_metadata
from spikeloop.exporters.formats.nwb.series import times_within
from spikeloop.exporters.formats.storage.tree import Node, child, is_group, stated_text
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["contradictions_of"]

STATED = ("bundle", "sha256", "seed", "condition")  # also one by one, for people
SAME_TIME = 1e-6  # of a bin, by which rounding may move a time


def contradictions_of(
    root: Node,
    begins_s: Floats,
    lengths: NDArray[np.int64],
    size_s: float,
    counts: str,
    conditions: Sequence[str],
) -> tuple[str, ...]:
    """Say where an NWB file of ours says the same thing twice, and not alike; a sentence each.

    Parameters
    ----------
    root : Node
    begins_s : array of shape (trials,), s
        As the file's notes say, in the order of time, with the `lengths` of the trials in bins.
    size_s : float > 0, s
        Of a bin.
    counts, conditions : str, and sequence of str
        Paths of time series, of which the latter have a sample in the middle of each bin.
    """
    found = _other_facts(root)
    for path, share in [(counts, 0.0), *((path, 0.5) for path in conditions)]:
        parts = [begin + (np.arange(n) + share) * size_s for begin, n in zip(begins_s, lengths, strict=True)]
        off_s = _off_s(child(root, path), path, np.concatenate(parts))
        if not off_s <= SAME_TIME * size_s:
            found.append(f"the times of {path} are not those of its bins: they are up to {off_s:g} s off")
    return tuple(found)


def _off_s(series: Node, path: str, due_s: Floats) -> float:
    """Return by how much times are off at most; infinity where there are others, or none."""
    try:
        _, times_s = times_within(series, path, Choices())
    except BadInputError:
        return np.inf
    return float(np.abs(times_s - due_s).max(initial=0.0)) if len(times_s) == len(due_s) else np.inf


def _other_facts(root: Node) -> list[str]:
    """Compare the single facts of what made the spikes with the whole of them, from which they are made again."""
    metadata = child(root, LAB_METADATA)
    made_by = parse_lab_metadata(stated_text(metadata, "provenance")) if is_group(metadata) else None
    if made_by is None:
        return []
    facts = {name: (stated_text(metadata, name), str(getattr(made_by, name))) for name in STATED}
    return [
        f"{LAB_METADATA} says two things of {name}: {alone!r:.60} by itself, and {within!r:.60} in its provenance"
        for name, (alone, within) in facts.items()
        if name in metadata.attrs and alone != within
    ]
