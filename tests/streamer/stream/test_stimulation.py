import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream import stimulation
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.step import Step, bin_end_s, timed_spikes, with_events
from spikeloop.streamer.stream.stimulation import Stimulator, Stimulus, evoked_probability
from tests.support.stimulated import BIN_S, START_S, UNITS, Kept, Poisson, assert_sound


async def run(stimuli, rate_hz=20.0, bins=2000, step_bins=20, seed=3, bin_size_s=BIN_S, stimulated=True) -> Step:
    """A stream under stimuli, given as (seconds since its start, stimulus) ahead of time."""
    stimulator = Stimulator(UNITS, START_S, random_stream(seed, Purpose.STIMULATION))
    for at_s, stimulus in stimuli:
        stimulator.stimulate(stimulus, START_S + at_s)
    kept = Kept()
    await stream(
        Poisson(rate_hz, bin_size_s), [kept], SimulatedClock(START_S), Health(bin_size_s, UNITS), RestFeed(()),
        start_s=START_S, step_bins=step_bins, seed=0, bins=bins, transforms=[stimulator] if stimulated else [],
    )  # fmt: skip
    return kept.whole()


SINGLE = Stimulus((1, 4), amplitude_ua=30)
TRAIN = Stimulus((0, 1, 2), amplitude_ua=20, pulses=40, rate_hz=130)
ALL = Stimulus(tuple(range(UNITS)), amplitude_ua=200)


async def test_without_a_stimulus_every_bit_stays_the_same():
    plain, watched = await run([], stimulated=False), await run([])
    for field in ("counts", "stamps_s", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(getattr(watched, field), getattr(plain, field))
    assert plain.conditions.shape == (2000, 0)
    np.testing.assert_array_equal(watched.conditions, np.zeros((2000, 1)))
    silent = await run([(0.2, Stimulus((0, 3), amplitude_ua=0, pulses=9))])
    np.testing.assert_array_equal(silent.event_stamps_s, plain.event_stamps_s)


async def test_units_that_are_not_stimulated_and_bins_before_are_untouched():
    plain, stimulated = await run([], rate_hz=50), await run([(0.5, TRAIN)], rate_hz=50)
    np.testing.assert_array_equal(stimulated.counts[:500], plain.counts[:500])
    np.testing.assert_array_equal(stimulated.counts[:, 3:], plain.counts[:, 3:])
    assert not np.array_equal(stimulated.counts[:, :3], plain.counts[:, :3])


@pytest.mark.parametrize("step_bins", [1, 7, 50, 999])
async def test_the_same_stimuli_give_the_same_spikes_whatever_the_step(step_bins):
    stimuli = [(0.0, SINGLE), (0.3, TRAIN), (0.3004, SINGLE), (0.31, TRAIN), (1.9985, ALL)]
    expected = await run(stimuli, rate_hz=60)
    found = await run(stimuli, rate_hz=60, step_bins=step_bins)
    for field in ("counts", "conditions", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))
    assert not np.array_equal((await run(stimuli, rate_hz=60, seed=4)).event_stamps_s, expected.event_stamps_s)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.3),
            st.builds(
                Stimulus,
                st.sets(st.integers(0, UNITS - 1), min_size=1).map(tuple),
                st.floats(0, 200),
                st.integers(1, 20),
                st.floats(1, 1000),
                st.floats(50, 1000),
            ),
        ),
        max_size=6,
    ),
    st.sampled_from([1, 3, 40]),
)
def test_counts_are_the_events_and_these_in_order_whatever_the_stimuli(stimuli, step_bins):
    stimulator = Stimulator(UNITS, START_S, random_stream(0, Purpose.STIMULATION))
    for at_s, stimulus in stimuli:
        stimulator.stimulate(stimulus, START_S + at_s)
    source, random, kept = Poisson(200), np.random.default_rng(0), Kept()
    for first_bin in range(0, 360, step_bins):
        kept.push(stimulator.apply(made(source.next(step_bins), first_bin, random)))
        assert_sound(kept.steps[-1])
    assert_sound(kept.whole())


def made(counts: np.ndarray, first_bin: int, random: np.random.Generator) -> Step:
    bins, units = counts.nonzero()
    bins, units = bins.repeat(counts[bins, units]), units.repeat(counts[bins, units])
    stamps_s = bin_end_s(START_S, BIN_S, np.arange(first_bin, first_bin + len(counts)))
    no_conditions, no_units = np.zeros((len(counts), 0), np.float32), np.zeros(0, np.int32)
    empty = Step(first_bin, counts * 0, no_conditions, stamps_s, no_units, stamps_s[:0])
    return with_events(empty, bins, units, stamps_s[bins] - BIN_S * random.random(len(bins)))


async def test_a_pulse_evokes_as_often_and_as_late_as_documented():
    amplitude_ua = 17.0
    pulses = Stimulus(tuple(range(UNITS)), amplitude_ua, pulses=1000, rate_hz=100)
    found = await run([(0.0, pulses)], rate_hz=0, bins=10_100)
    probability = evoked_probability(amplitude_ua, 200)
    assert 0.6 < probability < 0.65
    test = stats.binomtest(len(found.event_units), 1000 * UNITS, probability)
    assert test.pvalue > 1e-3
    latency_s = (found.event_stamps_s - START_S) % 0.01
    bounds = [-3, 3]
    assert stats.kstest(latency_s, stats.truncnorm(*bounds, loc=2.5e-3, scale=0.5e-3).cdf).pvalue > 1e-3
    assert np.bincount(found.event_units, minlength=UNITS).min() > 500
    np.testing.assert_array_equal(found.conditions[:10_000, 0], np.where(np.arange(10_000) % 10 == 0, amplitude_ua, 0))


def test_probability_is_a_sigmoid_of_charge_and_follows_weiss():
    assert evoked_probability(15, 200) == pytest.approx(0.5)
    assert evoked_probability(0, 200) == 0
    assert evoked_probability(200, 1000) > 0.999
    currents = [evoked_probability(i, 200) for i in np.linspace(0, 200, 50)]
    assert np.all(np.diff(currents) > 0)
    for width_us in (50, 100, 400, 1000):  # threshold current = rheobase (1 + chronaxie / width)
        assert evoked_probability(7.5 * (1 + 200 / width_us), width_us) == pytest.approx(0.5)


async def test_own_spikes_are_suppressed_and_recover_exponentially():
    """Peri-stimulus counts of own spikes, where evoked ones are taken out by their own times."""
    times = np.arange(0.1, 58, 0.4)
    rate_hz = 100.0
    found = await run([(at_s, ALL) for at_s in times], rate_hz=rate_hz, bins=58_000, step_bins=100)
    since_s = (found.event_stamps_s - START_S - 0.1) % 0.4
    own = since_s[(found.event_stamps_s > START_S + 0.1) & ((since_s < 1e-3) | (since_s > 4e-3))]
    edges = np.concatenate([[4e-3], np.arange(0.02, 0.41, 0.02)])
    counted, _ = np.histogram(own, edges)
    kept = 1 - stimulation.suppression(evoked_probability(200, 200), (edges[1:] + edges[:-1]) / 2)
    expected = kept * np.diff(edges) * rate_hz * UNITS * len(times)
    np.testing.assert_allclose(counted, expected, atol=5 * np.sqrt(expected).max(), rtol=0.02)
    assert counted[0] < 0.3 * counted[-1]
    assert counted[4] > 0.7 * counted[-1]


async def test_evoked_spikes_of_a_fast_train_respect_the_refractory_period():
    fast = Stimulus((2,), 200, pulses=1000, rate_hz=1000)
    found = await run([(0.0, fast)], rate_hz=0)
    intervals_s = np.diff(found.event_stamps_s)
    assert 300 < len(intervals_s) < 500
    assert intervals_s.min() >= stimulation.REFRACTORY_S - 1e-9


async def test_a_train_reaches_into_later_steps_with_times_of_its_own():
    strong = Stimulus((3,), 200, pulses=5, rate_hz=10)
    found = await run([(0.0195, strong)], rate_hz=0, bins=600)
    delays_s = found.event_stamps_s - START_S - 0.0195 - 0.1 * np.arange(5)
    assert np.all((delays_s >= 1e-3) & (delays_s <= 4e-3))
    assert_sound(found)


async def test_a_stimulus_in_the_middle_of_a_step_evokes_in_that_very_step():
    """In steps of 20 ms: one that comes 10 ms before its end goes out with it, and so is quicker than a step."""
    stimulator, kept, clock = (
        Stimulator(UNITS, START_S, random_stream(0, Purpose.STIMULATION)),
        Kept(),
        SimulatedClock(START_S),
    )

    class Slowly(SimulatedClock):
        async def sleep_until(self, time_s):
            if self.time_s < START_S + 0.05 <= time_s:
                assert stimulator.stimulate(ALL, START_S + 0.05) == START_S + 0.05
            await super().sleep_until(time_s)

    clock = Slowly(START_S)
    await stream(
        Poisson(0), [kept], clock, Health(BIN_S, UNITS), RestFeed(()),
        start_s=START_S, step_bins=20, seed=0, bins=100, transforms=[stimulator],
    )  # fmt: skip
    assert [int(step.counts.sum()) for step in kept.steps] == [0, 0, UNITS, 0, 0]
    assert kept.steps[2].conditions[:, 0].tolist() == [0.0] * 10 + [200.0] + [0.0] * 9


def test_a_stimulus_that_comes_too_late_for_its_bin_begins_with_the_next_step():
    stimulator = Stimulator(UNITS, START_S, random_stream(0, Purpose.STIMULATION))
    nothing = np.zeros((20, UNITS), np.uint8)
    first = stimulator.apply(made(nothing, 0, np.random.default_rng(0)))
    assert stimulator.stimulate(ALL, START_S + 0.005) == first.stamps_s[-1]
    second = stimulator.apply(made(nothing, 20, np.random.default_rng(0)))
    assert second.counts.sum() == UNITS
    assert np.all(second.event_stamps_s > first.stamps_s[-1])


def test_more_than_a_count_holds_is_left_out_of_both():
    step = made(np.zeros((2, UNITS), np.uint8), 0, np.random.default_rng(0))
    bins, units = np.array([0] * 300 + [1] * 5), np.array([2] * 300 + [2] * 5)
    stamps_s = step.stamps_s[bins] - np.linspace(0.9e-3, 0.1e-3, len(bins))
    full = with_events(step, bins, units, stamps_s)
    assert full.counts[:, 2].tolist() == [255, 5]
    assert_sound(full)
    np.testing.assert_array_equal(full.event_stamps_s, np.sort(stamps_s)[np.r_[0:255, 300:305]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"amplitude_ua": 201}, "amplitude_ua: expected 0 to 200, found 201"),
        ({"amplitude_ua": float("nan")}, "amplitude_ua: expected 0 to 200, found nan"),
        ({"pulses": 0}, "pulses: expected a whole number from 1 to 1000, found 0"),
        ({"rate_hz": 0.5}, "rate_hz: expected 1 to 1000, found 0.5"),
        ({"pulse_width_us": 10}, "pulse_width_us: expected 50 to 1000, found 10"),
        *(
            ({"pulses": bad}, "pulses: expected a whole number")
            for bad in (1.5, np.float64(2), float("nan"), True, "2")
        ),
        ({"rate_hz": True}, "rate_hz: expected 1 to 1000, found True"),
        ({"amplitude_ua": "10"}, "amplitude_ua: expected 0 to 200, found '10'"),
        *(
            ({"units": bad}, "units: expected one or more whole numbers from 0")
            for bad in ((), (-1,), (0, 1.5), (1.0,), (float("nan"),), (True,), ("1",), np.array([0.5]))
        ),
    ],
)
def test_stimuli_out_of_range_are_refused(wrong, message):
    with pytest.raises(BadInputError) as refused:
        Stimulus(**{"units": (0,), "amplitude_ua": 10} | wrong)
    assert message in str(refused.value)


def test_absent_units_and_too_many_pulses_at_once_are_refused():
    stimulator = Stimulator(UNITS, START_S, random_stream(0, Purpose.STIMULATION))
    with pytest.raises(BadInputError, match="units: expected 0 to 7, found 8"):
        stimulator.stimulate(Stimulus((8,), 10), START_S)
    fast = Stimulus((0,), 10, pulses=1000, rate_hz=1000)
    for _ in range(2):
        stimulator.stimulate(fast, START_S)
    with pytest.raises(BadInputError, match="at most 2000 pulses in the coming second, found 2001 with"):
        stimulator.stimulate(SINGLE, START_S)
    stimulator.apply(made(np.zeros((1000, UNITS), np.uint8), 0, np.random.default_rng(0)))
    assert stimulator.stimulate(SINGLE, START_S + 1) == pytest.approx(START_S + 1)  # they have ended


def test_a_refused_stimulus_leaves_no_trace_in_those_after_it():
    fast = Stimulus((7,), 0, pulses=1000, rate_hz=1000)
    nothing, steps = np.zeros((1000, UNITS), np.uint8), []
    for refused in (0, 3):
        stimulator = Stimulator(UNITS, START_S, random_stream(0, Purpose.STIMULATION))
        for _ in range(2):
            stimulator.stimulate(fast, START_S)
        for _ in range(refused):
            with pytest.raises(BadInputError, match="pulses in the coming second"):
                stimulator.stimulate(TRAIN, START_S)
        stimulator.apply(made(nothing, 0, np.random.default_rng(0)))
        stimulator.stimulate(TRAIN, START_S + 1)
        steps.append(stimulator.apply(made(nothing, 1000, np.random.default_rng(0))))
    assert steps[0].counts.sum() > 10
    np.testing.assert_array_equal(steps[1].event_stamps_s, steps[0].event_stamps_s)


def ahead(step_bins: int, rate_hz: float, pulses_s: list[float], lead_s: float = 0.0007) -> np.ndarray:
    """Times of spikes in steps that are ahead of pulses, which are given when all steps before them are out."""
    stimulator = Stimulator(UNITS, START_S, random_stream(3, Purpose.STIMULATION), lead_s=lead_s)
    source, random, kept = Poisson(rate_hz), random_stream(3, Purpose.EVENT_TIMES), []
    for first in range(0, 600, step_bins):
        stamps_s = bin_end_s(START_S + lead_s, BIN_S, np.arange(first, first + step_bins))
        for at_s in pulses_s:
            if stamps_s[0] - BIN_S <= at_s + lead_s < stamps_s[-1]:
                assert stimulator.stimulate(ALL, at_s) == at_s
        counts = source.next(step_bins)
        spikes = timed_spikes(counts, first, START_S + lead_s, BIN_S, random)
        conditions = np.zeros((step_bins, 0), np.float32)
        kept.append(stimulator.apply(Step(first, counts, conditions, stamps_s, spikes.units, spikes.times_s)))
    return np.concatenate([step.event_stamps_s for step in kept])


def test_with_a_lead_pulses_act_in_steps_that_are_ahead_of_them_at_their_own_times():
    """As where a spike's waveform begins before the spike."""
    delays_s = ahead(3, 0.0, [START_S + 0.1003]) - START_S - 0.1003
    assert len(delays_s) == UNITS
    assert ((delays_s >= 0.001) & (delays_s <= 0.004)).all()


@pytest.mark.parametrize("step_bins", [2, 3, 50])
def test_with_a_lead_the_same_stimuli_give_the_same_spikes_whatever_the_step(step_bins):
    pulses_s = (START_S + np.arange(20) * 0.0273 + 0.0107).tolist()
    np.testing.assert_array_equal(ahead(step_bins, 200.0, pulses_s), ahead(1, 200.0, pulses_s))
