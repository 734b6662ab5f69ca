"""A recording in the place of a population, in the loop of every stream, on a simulated clock."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.card import Card
from spikeloop.exporters.formats.assembly.session_times import SpikesInBins
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.streamer.capture.replay.recorded_population import RecordedMarks, RecordedPopulation
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import event_bins
from tests.support.stamped import stamped
from tests.support.stimulated import Kept

START_S, SIZE = 50.0, 0.02


async def replayed(population, step_bins=5, acts=None):
    """What goes out, and the markers; acts are called with the steering when a step with this first bin is due."""
    card = Card(
        "x", "recording", "stream", population.unit_names, population.bin_size_s, 1, count_distribution="counts"
    )
    steering, markers, kept = Steering(card, 0), [], Kept()
    steering.listen(lambda event, stamp_s, **details: markers.append((event, stamp_s, details)))
    marks = RecordedMarks(population, steering.mark)
    sinks, transforms = steering.begin(START_S, [kept, marks])
    population.lets_out = lambda: steering.lets_out

    class Acting:
        def apply(self, step):
            act = (acts or {}).get(step.first_bin)
            if act is not None:
                act(steering)
            return step

    await stream(
        population, sinks, SimulatedClock(START_S), Health(SIZE, 2), population, start_s=START_S, seed=0,
        step_bins=step_bins, transforms=(population, Acting(), *transforms),
        next_length=lambda first_bin: population.next_length(step_bins),
    )  # fmt: skip
    return kept, markers


@pytest.mark.parametrize("step_bins", [1, 5, 7, 100])
async def test_every_bin_goes_out_once_with_its_conditions_trial_after_trial(step_bins):
    recording = stamped(3, 8)
    kept, markers = await replayed(RecordedPopulation(recording), step_bins)
    counts = kept.joined("counts")
    np.testing.assert_array_equal(counts, recording.counts.reshape(24, 2))
    np.testing.assert_array_equal(kept.joined("conditions")[:, :2], recording.conditions.reshape(24, 2))
    np.testing.assert_allclose(kept.joined("stamps_s"), START_S + np.arange(1, 25) * SIZE, rtol=0, atol=1e-9)
    assert [(event, details["trial"], details["bins"]) for event, _, details in markers] == [
        ("trial", trial, 8) for trial in range(3)
    ]
    np.testing.assert_allclose([stamp_s for _, stamp_s, _ in markers], START_S + np.arange(3) * 8 * SIZE, atol=1e-9)


async def test_trials_of_unequal_length_go_out_without_their_padding():
    recording = replace(stamped(2, 8), lengths=(3, 8))
    kept, _ = await replayed(RecordedPopulation(recording))
    assert kept.joined("counts").tolist() == [[0, i] for i in range(3)] + [[1, i] for i in range(8)]


async def test_at_another_speed_bins_are_shorter():
    kept, _ = await replayed(RecordedPopulation(stamped(1, 10), speed=4.0))
    np.testing.assert_allclose(np.diff(kept.joined("stamps_s")), SIZE / 4, rtol=0, atol=1e-9)


async def test_a_part_is_replayed_by_its_times_in_the_file():
    population = RecordedPopulation(stamped(2, 8), start_s=6 * SIZE, stop_s=10 * SIZE)
    kept, _ = await replayed(population)
    assert kept.joined("counts").tolist() == [[0, 6], [0, 7], [1, 0], [1, 1]]
    assert (population.start_s, population.stop_s) == (pytest.approx(0.12), pytest.approx(0.2))
    with pytest.raises(BadInputError, match="--from, --to: expected at least one bin of 0.02 s between 0 and 0.32"):
        RecordedPopulation(stamped(2, 8), start_s=5.0)


async def test_what_a_pause_keeps_back_goes_out_afterwards_and_nothing_is_lost():
    acts = {5: lambda steering: steering.set_paused(True), 20: lambda steering: steering.set_paused(False)}
    kept, markers = await replayed(RecordedPopulation(stamped(1, 30)), acts=acts)
    assert kept.joined("counts")[:, 1].tolist() == list(range(30))
    stamps_s = kept.joined("stamps_s")
    assert np.flatnonzero(np.diff(stamps_s) > 1.5 * SIZE).tolist() == [4]
    assert stamps_s[5] - stamps_s[4] == pytest.approx(16 * SIZE)
    assert [event for event, *_ in markers] == ["trial", "pause", "resume"]


async def test_seeking_goes_on_from_there_and_is_marked():
    population = RecordedPopulation(stamped(1, 30))
    kept, markers = await replayed(population, acts={10: lambda steering: population.seek(25 * SIZE)})
    assert kept.joined("counts")[:, 1].tolist() == [*range(15), *range(25, 30)]
    np.testing.assert_allclose(np.diff(kept.joined("stamps_s")), SIZE, rtol=0, atol=1e-9)
    (event, stamp_s, details) = markers[-1]
    assert (event, stamp_s) == ("seek", pytest.approx(START_S + 15 * SIZE))
    assert details == {"position_s": pytest.approx(0.5)}
    for time_s in (-1, 0.7, "0", float("nan")):
        with pytest.raises(BadInputError, match="seek: expected a time from 0 to 0.6 s"):
            population.seek(time_s)  # pyright: ignore[reportArgumentType]


async def test_a_loop_begins_anew_with_stamps_that_go_on():
    class EnoughError(Exception):
        pass

    def enough(steering):
        raise EnoughError

    population = RecordedPopulation(stamped(1, 12), loop=True)
    kept_steps = []
    population_apply = population.apply
    population.apply = lambda step: kept_steps.append(step) or population_apply(step)
    with pytest.raises(EnoughError):
        await replayed(population, acts={24: enough})
    counts = np.concatenate([step.counts for step in kept_steps])
    assert counts[:24, 1].tolist() == [*range(12), *range(12)]
    stamps_s = np.concatenate([step.stamps_s for step in kept_steps])
    np.testing.assert_allclose(np.diff(stamps_s), SIZE, rtol=0, atol=1e-9)
    assert population.passes == 2


async def test_spikes_have_their_own_times_where_the_file_has_them_also_at_another_speed():
    times_s, units = np.array([0.005, 0.011, 0.012, 0.019, 0.055]), np.array([1, 0, 1, 1, 0])
    recording = Recording.from_spike_times(times_s, units, SIZE, start=0.0, stop=0.06)
    spikes = SpikesInBins((times_s / SIZE).astype(np.int64), units.astype(np.int32), times_s / SIZE % 1)
    for speed in (1.0, 2.0):
        kept, _ = await replayed(RecordedPopulation(recording, spikes, speed), step_bins=2)
        np.testing.assert_allclose(kept.joined("event_stamps_s"), START_S + times_s / speed, rtol=0, atol=1e-9)
        assert kept.joined("event_units").tolist() == units.tolist()


async def test_spikes_without_times_get_some_inside_their_bins():
    recording = from_counts(np.random.default_rng(0).poisson(1.0, (40, 3)), SIZE)
    kept, _ = await replayed(RecordedPopulation(recording))
    for step in kept.steps:
        begins_s = step.stamps_s[event_bins(step)] - SIZE
        assert (step.event_stamps_s >= begins_s - 1e-9).all()
        assert (step.event_stamps_s <= begins_s + SIZE + 1e-9).all()
    assert len(kept.joined("event_units")) == recording.counts.sum()
