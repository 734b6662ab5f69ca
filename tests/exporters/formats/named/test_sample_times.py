import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.exporters.formats.choices import TIME_UNITS, Choices
from spikeloop.exporters.formats.found import Binned, SpikeTrains
from spikeloop.exporters.formats.named.sample_times import clock_of, sample_times_s
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.errors import BadInputError


@given(
    unit=st.sampled_from(["s", "ms", "us"]),
    stated=st.sampled_from(["", "ms", "us", "s"]),
    duration=st.floats(1.0, 5000.0),
    begin=st.floats(0, 1000),
)
def test_times_become_seconds_or_are_refused_but_never_run_at_another_pace(unit, stated, duration, begin):
    spikes = SpikeTrains([np.array([begin, begin + duration])])
    clock = clock_of(spikes, f"spike_times_{stated}" if stated else "spike_times", Choices())
    times = np.linspace(begin, begin + duration, 50) * TIME_UNITS[unit]
    np.testing.assert_allclose(sample_times_s(times, f"t_{unit}", clock), times / TIME_UNITS[unit])
    if unit in ("s", stated):
        np.testing.assert_allclose(sample_times_s(times, "t", clock), times / TIME_UNITS[unit])
    else:
        with pytest.raises(BadInputError, match="--condition: expected the times of its samples in t.*t_ms or t_s"):
            sample_times_s(times, "t", clock)


def test_counts_have_a_clock_where_their_bins_have_a_size():
    values = np.zeros((100, 3))
    assert clock_of(Binned(values, 0.02), "spikes", Choices()).span_s == (0, 2)
    assert clock_of(Binned(values, None, np.array([5.0])), "spikes", Choices(0.1)).span_s == (5, 15)
    assert clock_of(Binned(values), "spikes", Choices()).span_s is None
    assert clock_of(Binned([values, values[:50]], 1.0), "spikes", Choices()).span_s is None
    timed = Binned([values, values[:50]], 1.0, np.array([0.0, 200.0]))
    assert clock_of(timed, "spikes", Choices()).span_s == (0, 250)


@pytest.mark.parametrize(
    ("key", "spikes_per_s", "options", "t", "t_per_s"),
    [
        ("spike_times_ms", 1e3, {}, "t", 1e3),
        ("spike_times_ms", 1e3, {}, "t_s", 1),
        ("spike_times", 1, {}, "cursor_t_ms", 1e3),
        ("spike_samples", 3e4, {"time_unit": "30000 Hz"}, "t", 1),
        ("spike_times", 1e3, {"time_unit": "ms"}, "t", 1e3),
        ("spike_times", 1e3, {"time_unit": "ms"}, "t", 1),
    ],
)
def test_a_condition_keeps_its_pace_beside_spikes_in_other_units(
    key, spikes_per_s, options, t, t_per_s, tmp_path, random
):
    spikes, times = np.sort(random.uniform(0, 20, 500)), np.arange(0, 20, 0.01)
    arrays = {key: spikes * spikes_per_s, "unit_ids": random.integers(0, 3, 500), "cursor": np.sin(times)}
    np.savez(tmp_path / "a.npz", **arrays, **{t: times * t_per_s})
    ends = {"start_s": 0.5, "stop_s": 19.5, "conditions": {"cursor": "cursor"}}
    recording = read_recording(tmp_path / "a.npz", 0.1, **ends, **options)
    middles = 0.5 + 0.1 * (np.arange(190) + 0.5)
    np.testing.assert_allclose(recording.conditions[0, :, 0], np.sin(middles), atol=0.01)


@pytest.mark.parametrize(("key", "per_s"), [("spike_times_ms", 1e3), ("spike_times", 1)])
@pytest.mark.parametrize(("ends", "ends_per_s"), [(("start_s", "stop_s"), 1), (("tmin", "tmax"), None)])
def test_starts_and_stops_have_the_unit_of_their_key_or_that_of_the_spikes(key, per_s, ends, ends_per_s, tmp_path):
    start, stop = (seconds * (ends_per_s or per_s) for seconds in (1.0, 10.0))
    times = np.array([1.25, 5.5, 9.75]) * per_s
    np.savez(tmp_path / "a.npz", **{key: times, "unit_ids": np.zeros(3), ends[0]: start, ends[1]: stop})
    recording = read_recording(tmp_path / "a.npz", 0.5)
    assert (recording.starts_s, recording.bins) == ((1.0,), 18)
