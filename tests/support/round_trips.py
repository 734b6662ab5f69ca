"""Recordings of every shape, and whether two are the same, for the round trips through formats."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikeloop.models.recordings.condition import Condition, conditions_of
from spikeloop.models.recordings.recording import Recording

__all__ = ["assert_same", "recordings"]

LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@st.composite
def recordings(draw: Any, fluorescence: bool = True) -> Recording:
    """Counts or fluorescence, in one or several trials of equal or unequal length, with and without conditions."""
    repeats, bins, units = (draw(st.integers(1, most)) for most in (4, 9, 4))
    size = draw(st.sampled_from([0.001, 0.02, 0.1, 1 / 3]))
    names = draw(st.lists(LABELS, min_size=units, max_size=units, unique=True))
    name = draw(st.text(st.sampled_from("abc 0_-é"), min_size=1, max_size=8).filter(lambda text: text.strip() == text))
    shape = (repeats, bins, units)
    if fluorescence and draw(st.booleans()):
        values = draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 100, width=32)))
        recording = Recording.from_fluorescence(values, size, names, name, "simulated")
    else:
        counts = draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 255)))
        recording = Recording.from_counts(counts, size, names, name, "simulated")
    if draw(st.booleans()):
        starts = draw(st.lists(st.floats(-100, 1e5), min_size=repeats, max_size=repeats))
        recording = replace(recording, starts_s=tuple(starts))
    if draw(st.booleans()):
        recording = _conditioned(recording, draw)
    if repeats > 1 and draw(st.booleans()):
        recording = _ragged(recording, draw)
    return replace(recording, history=("made for a test",) if draw(st.booleans()) else ())


def _conditioned(recording: Recording, draw: Any) -> Recording:
    number = draw(st.integers(1, 2))
    shape = (*recording.counts.shape[:2], number)
    values = draw(arrays.arrays(np.float32, shape, elements=st.floats(-1000, 1000, width=32)))
    channels: tuple[Condition, ...] = conditions_of(values, ["velocity x", "ü"][:number], ["cm/s", ""][:number])
    wider = tuple(replace(channel, low=channel.low - 1, high=channel.high + 1) for channel in channels)
    return replace(recording, driven_by=values, channels=wider)


def _ragged(recording: Recording, draw: Any) -> Recording:
    """Shorten all trials but one."""
    shorter = st.integers(1, recording.bins)
    lengths = [recording.bins, *(draw(shorter) for _ in range(recording.repeats - 1))]
    if len(set(lengths)) == 1:
        return recording
    ragged = replace(recording, lengths=tuple(lengths))
    inside = ragged.recorded[..., np.newaxis]
    counts = np.where(inside, recording.counts, recording.counts.dtype.type(0))
    driven_by = None if recording.driven_by is None else np.where(inside, recording.driven_by, np.float32(0))
    return replace(ragged, counts=counts, driven_by=driven_by)


def assert_same(found: Recording, expected: Recording) -> None:
    """Compare all that a file must keep."""
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.signal == expected.signal
    assert found.unit_names == expected.unit_names
    assert found.bin_size_s == expected.bin_size_s
    assert found.lengths == expected.lengths
    assert found.channels == expected.channels
    np.testing.assert_array_equal(found.conditions, expected.conditions)
    assert (found.name, found.origin) == (expected.name, expected.origin)
    if expected.starts_s is not None:
        assert found.starts_s == expected.starts_s
