import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.controls import Controls, Gate
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.step import Step, bin_end_s
from tests.support.stimulated import BIN_S, START_S, UNITS, Kept, Poisson, assert_sound


class Changes:
    """A sink that works the controls once steps with these first bins have gone out."""

    def __init__(self, controls: Controls, by_first_bin) -> None:
        self._controls, self._by_first_bin = controls, by_first_bin
        self.in_force_s: list[float] = []

    def push(self, step) -> None:
        if step.first_bin in self._by_first_bin:
            self.in_force_s.append(self._by_first_bin[step.first_bin](self._controls))


async def run(by_first_bin, step_bins=20, bins=2000, rate_hz=60.0, seed=3):
    controls, kept = Controls(START_S, random_stream(seed, Purpose.GAIN)), Kept()
    changes = Changes(controls, by_first_bin)
    health = Health(BIN_S, UNITS)
    await stream(
        Poisson(rate_hz), [Gate(controls, [kept]), changes], SimulatedClock(START_S), health, RestFeed(()),
        start_s=START_S, step_bins=step_bins, seed=0, bins=bins, transforms=[controls],
    )  # fmt: skip
    assert health.report().bins == bins
    return kept, changes.in_force_s


def gain(value):
    return lambda controls: controls.set_gain(value)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 1.7, 2.0, 10.0])
async def test_gain_multiplies_spikes_on_average_and_counts_stay_events(value):
    plain, _ = await run({})
    kept, in_force_s = await run({980: gain(value)})
    found, expected = kept.whole(), plain.whole()
    assert_sound(found)
    assert in_force_s == [expected.stamps_s[999]]
    np.testing.assert_array_equal(found.counts[:1000], expected.counts[:1000])
    after, before = int(found.counts[1000:].sum()), int(expected.counts[1000:].sum())
    extra = value - int(value) if value < 1 else (value - 1) / max(1, np.ceil(value - 1))
    trials = before if value < 1 else before * int(np.ceil(value - 1))
    if trials:
        assert stats.binomtest(after - (0 if value < 1 else before), trials, extra).pvalue > 1e-3
    else:
        np.testing.assert_array_equal(found.event_stamps_s, expected.event_stamps_s)


async def test_copies_lie_anywhere_in_the_bin_of_their_spike():
    kept, _ = await run({0: gain(10.0)}, rate_hz=20)
    found, plain = kept.whole(), (await run({}, rate_hz=20))[0].whole()
    np.testing.assert_array_equal(found.counts[20:], 10 * plain.counts[20:])
    copies = np.setdiff1d(found.event_stamps_s, plain.event_stamps_s)
    assert stats.kstest(((copies - START_S) / BIN_S) % 1, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("step_bins", [1, 20, 100])
async def test_gain_gives_the_same_spikes_whatever_the_step(step_bins):
    changes = {500 - step_bins: gain(0.4), 1000 - step_bins: gain(2.6)}
    expected, _ = await run({400: gain(0.4), 900: gain(2.6)}, step_bins=100)
    found, _ = await run(changes, step_bins=step_bins)
    for field in ("counts", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(found.joined(field), expected.joined(field))


async def test_paused_bins_pass_unsent_and_those_after_keep_their_numbers():
    plain, _ = await run({})
    kept, in_force_s = await run({480: lambda c: c.set_paused(True), 980: lambda c: c.set_paused(False)})
    assert [step.first_bin for step in kept.steps] == [*range(0, 500, 20), *range(1000, 2000, 20)]
    ends_s = bin_end_s(START_S, BIN_S, np.array([499, 999]))
    assert in_force_s == ends_s.tolist()
    away = np.r_[0:500, 1000:2000]
    np.testing.assert_array_equal(kept.joined("stamps_s"), plain.joined("stamps_s")[away])
    np.testing.assert_array_equal(kept.joined("counts"), plain.joined("counts")[away])


@given(st.lists(st.floats(0, 10), min_size=1, max_size=5), st.sampled_from([1, 4]), st.integers(0, 60))
def test_counts_are_the_events_whatever_the_gains(gains, bins, spikes):
    controls, random = Controls(START_S, random_stream(0, Purpose.GAIN)), np.random.default_rng(0)
    for number, value in enumerate(gains):
        stamps_s = bin_end_s(START_S, BIN_S, np.arange(number * bins, (number + 1) * bins))
        counts = random.multinomial(spikes, np.full(bins * UNITS, 1 / (bins * UNITS))).reshape(bins, UNITS)
        at, units = (each.repeat(counts.ravel()) for each in np.indices(counts.shape).reshape(2, -1))
        times_s = np.sort(stamps_s[at] - BIN_S * random.random(spikes))
        step = Step(number, counts.astype(np.uint8), np.zeros((bins, 0), np.float32), stamps_s,
                    units.astype(np.int32), times_s)  # fmt: skip
        controls.set_gain(value)
        assert_sound(controls.apply(step))


async def test_fluorescence_is_multiplied_as_it_is():
    controls = Controls(0.0, random_stream(0, Purpose.GAIN))
    light = np.array([[0.5, 1.25]], np.float32)
    none = np.zeros(0)
    step = Step(0, light, np.zeros((1, 0), np.float32), np.array([0.1]), none.astype(np.int32), none)  # type: ignore[arg-type]
    controls.set_gain(2.0)
    brighter = controls.apply(step)
    assert brighter.counts.dtype == np.float32
    np.testing.assert_array_equal(brighter.counts, [[1.0, 2.5]])


@pytest.mark.parametrize("value", [-0.1, 10.5, float("nan")])
def test_a_gain_out_of_range_is_refused(value):
    with pytest.raises(BadInputError, match="gain: expected 0 to 10, found"):
        Controls(0.0, random_stream(0, Purpose.GAIN)).set_gain(value)
