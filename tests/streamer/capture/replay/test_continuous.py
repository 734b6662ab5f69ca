"""Times of a replay without jumps of clocks and silences that nobody waits for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.clocks import DAY_S
from spikeloop.streamer.capture.replay.continuous import TimedStream, continuous

EVERY_S = 0.1


def timed(label, times_s, rate_hz=1 / EVERY_S):
    return TimedStream(label, rate_hz, np.asarray(times_s, float), (0,))


def steady(start_s, samples=100):
    return start_s + np.arange(samples) * EVERY_S


def lasts_s(times):
    whole = np.concatenate(times)
    return whole.max() - whole.min()


def test_streams_of_clocks_that_nothing_relates_begin_together_and_that_is_said():
    streams = [timed("lsl", steady(5000)), timed("unix", steady(1.79e9)), timed("unix keys", steady(1.79e9 + 0.25))]
    times, notes = continuous(streams)
    np.testing.assert_array_equal(times[0], streams[0].times_s)
    np.testing.assert_allclose(times[1], steady(5000), rtol=0, atol=1e-5)
    np.testing.assert_allclose(times[2] - times[1], 0.25, rtol=0, atol=1e-5)
    assert [note.split(" ahead")[0] for note in notes] == [
        f"{name}: its stamps are 57 years" for name in ("unix", "unix keys")
    ]
    assert all("the file does not say when they came; both begin together" in note for note in notes)


def test_a_silence_of_all_streams_is_left_out_and_what_follows_keeps_its_place_to_each_other():
    late_s = 3 * DAY_S
    streams = [
        timed("a", np.concatenate([steady(5000), steady(5000 + late_s)])),
        timed("b", np.concatenate([steady(5001), steady(5000.5 + late_s)])),
    ]
    (a, b), notes = continuous(streams)
    np.testing.assert_allclose(a[:100], steady(5000))
    np.testing.assert_allclose(b[:100], steady(5001))
    np.testing.assert_allclose(b[100:] - a[100:], 0.5, rtol=0, atol=1e-6)
    assert a[100] - b[99] < 2
    assert notes == ["no stream has a sample for 3 days after 10.9 s; that is left out"]


def test_a_silence_of_minutes_is_kept_and_told_with_how_to_pass_it():
    streams = [timed("a", np.concatenate([steady(0), steady(600)]))]
    (times,), notes = continuous(streams)
    np.testing.assert_array_equal(times, streams[0].times_s)
    assert notes == ["no stream has a sample for 590 s after 9.9 s; a seek or --from 600 passes over it"]


def test_of_many_silences_some_are_told_and_the_others_counted():
    (_,), notes = continuous([timed("a", np.arange(10) * 100.0, 0.0)])
    assert len(notes) == 4
    assert notes[-1] == "there are 6 more silences of a minute and more"


def test_samples_stamped_earlier_than_the_one_before_are_told_but_not_jitter():
    back = np.array([0.0, 1.0, 0.4, 2.0, 1.9, 3.0])
    (times,), notes = continuous([timed("keys", back, 0.0)])
    np.testing.assert_array_equal(times, back)
    assert notes == [
        "keys: 2 of 6 samples are stamped earlier than the one before, by up to 0.6 s; they go out after it, as in the"
        " file, with their own stamps"
    ]
    _, notes = continuous([timed("eeg", steady(0) + 0.004 * (-1.0) ** np.arange(100))])
    assert notes == []


starts = st.floats(-1e10, 1e10)


@given(st.lists(st.tuples(starts, starts), min_size=1, max_size=4))
def test_whatever_the_stamps_nobody_waits_longer_than_an_hour_for_the_next_sample(pairs):
    streams = [timed(f"s{i}", np.concatenate([steady(a, 5), steady(b, 5)])) for i, (a, b) in enumerate(pairs)]
    times, _ = continuous(streams)
    assert [len(known) for known in times] == [10] * len(pairs)
    whole = np.sort(np.concatenate(times))
    assert np.diff(whole).max() <= 3600 + 1e-3
