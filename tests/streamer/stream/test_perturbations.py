import numpy as np
import pytest
from scipy import stats

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.controls import Controls, Gate
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.perturbations import HIGHEST_DRIFT, Perturbations
from spikeloop.streamer.stream.step import Step
from tests.support.stimulated import BIN_S, START_S, UNITS, Kept, Poisson, assert_sound


def perturbations(seed=3, units=UNITS):
    return Perturbations(units, START_S, BIN_S, random_stream(seed, Purpose.STREAM_PERTURBATIONS))


async def run(by_first_bin, step_bins=20, bins=2000, rate_hz=60.0, seed=3):
    """What goes out of a stream with which something goes wrong after steps with these first bins."""
    wrong, kept = perturbations(seed), Kept()
    controls = Controls(START_S, random_stream(seed, Purpose.GAIN))
    gate, pushed = Gate(controls, [kept], wrong), []

    class Changes:
        def push(self, step):
            pushed.append((step.first_bin, len(kept.steps)))
            for parameters in by_first_bin.get(step.first_bin, ()):
                wrong.set(*parameters)

    await stream(
        Poisson(rate_hz), [gate, Changes()], SimulatedClock(START_S), Health(BIN_S, UNITS), RestFeed(()),
        start_s=START_S, step_bins=step_bins, seed=0, bins=bins, transforms=[controls, wrong],
    )  # fmt: skip
    gate.flush()
    return kept, pushed


async def test_units_that_are_lost_fall_silent_and_come_back():
    plain = (await run({}))[0].whole()
    found = (await run({480: [("drop", None, [1, 6])], 980: [("drop", 0.0)]}))[0].whole()
    assert_sound(found)
    expected = plain.counts.copy()
    expected[500:1000, [1, 6]] = 0
    np.testing.assert_array_equal(found.counts, expected)


async def test_a_larger_share_loses_those_of_a_smaller_one_too():
    wrong = perturbations(units=96)
    lost = []
    for number in (1, 10, 96):
        wrong.set("drop", number / 96)
        lost.append(set(wrong.in_force["units"]))
    assert [len(units) for units in lost] == [1, 10, 96]
    assert lost[0] < lost[1] < lost[2]


async def test_noise_joins_every_units_spikes_at_its_rate():
    plain = (await run({}))[0].whole()
    found = (await run({980: [("noise", 40.0)]}))[0].whole()
    assert_sound(found)
    added = found.counts.astype(int) - plain.counts
    assert (added >= 0).all()
    assert not added[:1000].any()
    assert stats.binomtest(int(added.sum()), 1000 * UNITS * 10, 40.0 * BIN_S / 10).pvalue > 1e-3
    own = np.isin(plain.event_stamps_s, found.event_stamps_s)
    assert own.all()
    joined = np.setdiff1d(found.event_stamps_s, plain.event_stamps_s)
    assert stats.kstest(((joined - START_S) / BIN_S) % 1, "uniform").pvalue > 1e-3


async def test_rates_drift_apart_as_their_logarithms_grow():
    plain = (await run({}, bins=20_000, rate_hz=100))[0].whole()
    wrong = (await run({0: [("drift", 3.0)]}, bins=20_000, rate_hz=100))[0].whole()
    assert_sound(wrong)
    early, late = (wrong.counts[part].sum(0) / plain.counts[part].sum(0) for part in (np.s_[:2000], np.s_[-2000:]))
    assert np.abs(np.log(early)).max() < 0.25
    assert np.log(late).std() > 0.4
    ratio = wrong.counts.sum(0) / plain.counts.sum(0)
    assert np.corrcoef(np.log(ratio), np.log(late))[0, 1] > 0.9


async def test_no_rate_drifts_to_more_than_ten_times_its_own():
    plain = (await run({}, bins=4000, rate_hz=20))[0].whole()
    wrong = (await run({0: [("drift", 100.0)]}, bins=4000, rate_hz=20))[0].whole()
    found = wrong.counts[-1000:].sum(0) / plain.counts[-1000:].sum(0)
    assert found.max() == pytest.approx(HIGHEST_DRIFT)
    assert found.min() < 0.01


@pytest.mark.parametrize("step_bins", [1, 4, 20, 100])
async def test_what_goes_wrong_is_the_same_whatever_the_step(step_bins):
    acts = {400: [("noise", 30.0), ("drift", 20.0)], 900: [("drop", 0.5), ("noise", 0.0)]}
    expected = (await run(acts, step_bins=100))[0].whole()
    moved = {first + 100 - step_bins: wrong for first, wrong in acts.items()}
    found = (await run(moved, step_bins=step_bins))[0].whole()
    for field in ("counts", "event_units", "event_stamps_s"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


async def test_later_steps_have_their_own_stamps_and_none_is_lost():
    plain, _ = await run({})
    late, pushed = await run({480: [("latency", 50.0)], 1480: [("latency", 0.0)]})
    for field in ("counts", "stamps_s", "event_stamps_s"):
        np.testing.assert_array_equal(late.joined(field), plain.joined(field))
    sent = dict(pushed)
    assert (sent[480], sent[500], sent[520], sent[540], sent[560]) == (25, 25, 25, 25, 26)  # 3 steps of 20 ms later
    assert (sent[1480], sent[1500]) == (72, 76)


async def test_what_is_late_at_the_end_goes_out_then():
    late, _ = await run({0: [("latency", 10_000.0)]}, bins=200)
    assert late.joined("stamps_s").size == 200


def test_fluorescence_loses_units_as_it_is():
    light = np.array([[0.5, 1.25]], np.float32)
    none = np.zeros(0)
    step = Step(0, light, np.zeros((1, 0), np.float32), np.array([START_S]), none.astype(np.int32), none)  # type: ignore[arg-type]
    wrong = perturbations(units=2)
    wrong.set("drop", None, [0])
    left = wrong.apply(step).counts
    assert left.dtype == np.float32
    np.testing.assert_array_equal(left, [[0.0, 1.25]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (("rotation", 3.0), "perturbation: expected"),
        (("noise", 1001.0), "noise: expected 0 to 1000 Hz, found 1001"),
        (("noise", None), "noise: expected 0 to 1000 Hz, found None"),
        (("latency", float("nan")), "latency: expected 0 to 10000 ms"),
        (("drift", -1.0), "drift: expected 0 to 100"),
        (("drop", 1.5), "drop: expected 0 to 1, found 1.5"),
        (("drop", None), "drop: expected a share of the units or a list"),
        (("drop", 0.5, [1]), "drop: expected a share of the units or a list"),
        (("drop", None, [UNITS]), "drop: unit: expected a whole number from 0 to 7, found 8"),
        (("noise", 3.0, [1]), "noise: expected a value, found units"),
    ],
)
def test_what_can_not_go_wrong_is_refused(parameters, message):
    wrong = perturbations()
    with pytest.raises(BadInputError, match=message):
        wrong.set(*parameters)
    assert wrong.in_force == {}


def test_of_each_kind_the_latest_is_in_force():
    wrong = perturbations()
    for parameters in (("noise", 5.0), ("noise", 7.0), ("latency", 40.0), ("drift", 1.0), ("drift", 0.0)):
        wrong.set(*parameters)
    wrong.set("drop", None, [5, 2])
    assert wrong.in_force == {"noise": 7.0, "latency": 40.0, "drop": 0.25, "units": [2, 5]}
