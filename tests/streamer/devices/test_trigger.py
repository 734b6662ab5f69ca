import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.trigger import BurstTrigger, spikes_for_rate


def fired_at(trigger: BurstTrigger, *messages: list[float], units: list[int] | None = None) -> list[float]:
    """The times of all firings on messages of spikes' times, of unit 0 where none are told."""
    found: list[float] = []
    for times in messages:
        found += trigger.feed(np.array(times, np.float64), np.array(units or [0] * len(times), np.uint32)).tolist()
    return found


def counted(times: list[float], spikes: int, window_s: float, refractory_s: float) -> list[float]:
    """The same by definition: at each spike, count those in the window before it."""
    fired: list[float] = []
    for place, time in enumerate(times):
        inside = sum(time - each <= window_s + 1e-9 for each in times[: place + 1])
        if inside >= spikes and (not fired or time >= fired[-1] + refractory_s):
            fired.append(time)
    return fired


def test_it_fires_on_the_spike_that_completes_a_burst():
    assert fired_at(BurstTrigger(3, 0.010), [0.000, 0.008, 0.019, 0.022, 0.029]) == [0.029]


def test_a_burst_counts_whole_across_messages():
    assert fired_at(BurstTrigger(3, 0.010), [0.015, 0.018], [0.021]) == [0.021]


def test_only_watched_units_count():
    trigger = BurstTrigger(2, 0.010, units=(4, 7))
    assert fired_at(trigger, [0.001, 0.002, 0.003, 0.004], units=[4, 5, 5, 7]) == [0.004]
    assert fired_at(BurstTrigger(2, 0.010, units=(9,)), [0.001, 0.002], units=[4, 7]) == []


def test_it_rests_for_the_refractory_time_and_fires_right_after():
    times = [0.0, 0.1, 0.2, 0.25, 0.5]
    assert fired_at(BurstTrigger(1, 0.01, refractory_s=0.25), times) == [0.0, 0.25, 0.5]


def test_time_that_steps_back_begins_anew():
    trigger = BurstTrigger(2, 0.010, refractory_s=5.0)
    assert fired_at(trigger, [100.000, 100.005]) == [100.005]
    assert fired_at(trigger, [1.000], [1.005]) == [1.005]  # neither the refractory time nor the window reaches over


@given(
    st.lists(st.integers(0, 400_000), max_size=60).map(sorted),
    st.integers(1, 6),
    st.integers(1, 50),
    st.integers(1, 100),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_it_fires_as_counting_by_definition_does_however_the_spikes_are_cut(times_us, spikes, window, refractory, cuts):
    times = [each * 1e-6 for each in times_us]
    edges = [0, *sorted(cuts), len(times)]
    messages = [times[first:last] for first, last in itertools.pairwise(edges)]
    trigger = BurstTrigger(spikes, window / 1000, refractory_s=refractory / 1000)
    assert fired_at(trigger, *messages) == counted(times, spikes, window / 1000, refractory / 1000)


@pytest.mark.parametrize(
    ("rate_hz", "window_s", "spikes"), [(100, 0.05, 5), (101, 0.05, 6), (1, 0.05, 1), (0.3, 10, 3)]
)
def test_a_rate_is_so_many_spikes_in_the_window(rate_hz, window_s, spikes):
    assert spikes_for_rate(rate_hz, window_s) == spikes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spikes": 0}, "expected 1 to 100000 spikes, found 0"),
        ({"window_s": 0.0}, "expected a window above 0 and up to 60 s, found 0"),
        ({"window_s": float("nan")}, "expected a window"),
        ({"refractory_s": -1.0}, "expected a refractory time above 0"),
        ({"units": (3, -2)}, "expected indices of units from 0, found -2"),
    ],
)
def test_numbers_that_make_no_trigger_are_told(options, said):
    with pytest.raises(BadInputError) as error:
        BurstTrigger(**({"spikes": 3, "window_s": 0.01} | options))
    assert said in str(error.value)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_told(rate_hz):
    with pytest.raises(BadInputError, match="expected a rate above 0 Hz"):
        spikes_for_rate(rate_hz, 0.02)
