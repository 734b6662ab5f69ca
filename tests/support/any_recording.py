"""Recordings of any kind for round trips: with trials or not, of unequal lengths, with conditions, silent units."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence

__all__ = ["any_recordings", "assert_same_recording"]

TEXTS = st.text(st.characters(categories=("L", "N", "P", "Zs", "S")), min_size=1, max_size=12).filter(
    lambda text: text.isprintable() and text.strip() == text
)
ALL = ("spikes", "fluorescence")


@st.composite
def any_recordings(draw: st.DrawFn, signals: tuple[str, ...] = ALL) -> Recording:
    """A recording of some trials, bins and units."""
    trials, bins, units = draw(st.integers(1, 4)), draw(st.integers(2, 25)), draw(st.integers(1, 6))
    random = np.random.Generator(np.random.Philox(draw(st.integers(0, 2**32))))
    size = draw(st.sampled_from([0.001, 0.02, 1 / 30, 0.3, 1e-4]))
    name, origin = draw(TEXTS), draw(st.one_of(st.just(""), TEXTS))
    names = draw(st.lists(TEXTS, min_size=units, max_size=units, unique=True))
    if draw(st.sampled_from(signals)) == "spikes":
        counts = random.poisson(draw(st.sampled_from([0.05, 1.0, 30.0])), (trials, bins, units)).clip(0, 255)
        recording = from_counts(counts, size, names, name, origin)
    else:
        recording = from_fluorescence(random.random((trials, bins, units)), size, names, name, origin)
    if draw(st.booleans()):
        recording = _with_some_conditions(draw, recording, random)
    recording = _with_some_lengths(draw, recording, random)
    if draw(st.booleans()):
        gaps = random.random(trials) * 3 - draw(st.sampled_from([0.0, 0.5]))
        starts = np.cumsum(np.concatenate(([0.0], recording.bins_of_repeats[:-1] * size))) + np.cumsum(gaps)
        recording = replace(recording, starts_s=tuple(random.permutation(starts).tolist()))
    return replace(recording, history=tuple(draw(st.lists(TEXTS, max_size=2))))


def _with_some_conditions(draw: st.DrawFn, recording: Recording, random: np.random.Generator) -> Recording:
    channels = draw(st.integers(1, 3))
    names = draw(st.lists(TEXTS, min_size=channels, max_size=channels, unique=True))
    units = draw(st.lists(st.sampled_from(["", "cm/s", "µV", "a.u."]), min_size=channels, max_size=channels))
    values = random.normal(size=(*recording.counts.shape[:2], channels))
    recording = with_conditions(recording, values, names, units)
    if not draw(st.booleans()):
        return recording
    first, *others = recording.channels
    return replace(recording, channels=(Condition(first.name, "bin", 0.0, 24.0, 3.0, cyclic=True), *others))


def _with_some_lengths(draw: st.DrawFn, recording: Recording, random: np.random.Generator) -> Recording:
    if recording.repeats == 1 or not draw(st.booleans()):
        return recording
    lengths = random.integers(1, recording.bins + 1, recording.repeats)
    lengths[0] = recording.bins
    if len(set(lengths.tolist())) == 1:
        return recording
    inside = (np.arange(recording.bins) < lengths[:, np.newaxis])[..., np.newaxis]
    driven_by = None if recording.driven_by is None else np.where(inside, recording.driven_by, np.float32(0))
    counts = np.where(inside, recording.counts, recording.counts.dtype.type(0))
    return replace(recording, counts=counts, driven_by=driven_by, lengths=tuple(lengths.tolist()))


def assert_same_recording(found: Recording, expected: Recording) -> None:
    """Everything that a file keeps is the same."""
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.counts.dtype == expected.counts.dtype
    np.testing.assert_array_equal(found.conditions, expected.conditions)
    for entry in ("bin_size_s", "unit_names", "name", "origin", "signal", "channels", "lengths", "starts_s", "history"):
        assert getattr(found, entry) == getattr(expected, entry), entry
