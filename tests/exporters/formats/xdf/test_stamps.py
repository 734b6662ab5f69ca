import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError
from tests.support.xdf_files import SIZE, header, stamps


@pytest.fixture
def file(tmp_path):
    return tmp_path / "session.xdf"


def test_a_stream_without_a_rate_has_the_bins_of_its_stamps_where_these_are_regular(file, random):
    counts = random.integers(0, 4, (100, 2))
    for at, expected in ((stamps(100), True), (np.cumsum(random.exponential(SIZE, 100)), False)):
        with XdfWriter(file) as writer:
            writer.add_samples(writer.add_stream(header("nsp", "Spikes", "ab", 0.0)), counts, at)
        if not expected:
            with pytest.raises(BadInputError, match=r"irregular times; choose another stream with --key"):
                read_recording(file, 0.1)
            continue
        assert (read_recording(file).bin_size_s, read_recording(file).counts.shape) == (SIZE, (1, 100, 2))
        np.testing.assert_array_equal(read_recording(file, 0.1).counts[0], counts.reshape(20, 5, 2).sum(axis=1))


@pytest.mark.parametrize("missing", [1, 2, 10, 24, 25])
@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_no_bin_spans_samples_that_are_missing(file, random, missing, jitter):
    counts = random.integers(0, 4, (1000, 2))
    at = stamps(1000) + random.normal(0, jitter * SIZE, 1000)
    kept = np.delete(np.arange(1000), np.arange(400, 400 + missing))
    with XdfWriter(file) as writer:
        writer.add_samples(writer.add_stream(header("nsp", "Spikes", "ab")), counts[kept], at[kept])
    recording = read_recording(file)
    assert recording.lengths == (400, 600 - missing)
    np.testing.assert_array_equal(recording.counts[0, :400], counts[:400])
    assert recording.starts_s == pytest.approx((100.0, 100 + (400 + missing) * SIZE), abs=0.1 * SIZE)
    assert f"2 stretches, between which the stream was interrupted ({missing} samples are missing)" in str(
        recording.history
    )


@pytest.mark.parametrize("nominal_hz", [100.0, 1 / SIZE])
def test_jitter_and_bursts_cut_nothing_and_the_rate_is_that_of_the_stamps(file, random, nominal_hz):
    jittered = stamps(1000) + random.normal(0, SIZE / 3, 1000)
    bursts = 100 + np.repeat(np.arange(1, 101) * 10 * SIZE, 10)
    for at in (stamps(1000), jittered, bursts):
        with XdfWriter(file) as writer:
            stream = writer.add_stream(header("nsp", "Spikes", "ab", nominal_hz))
            writer.add_samples(stream, np.ones((1000, 2)), at)
        recording = read_recording(file)
        assert (recording.counts.shape, recording.bin_size_s) == ((1, 1000, 2), pytest.approx(SIZE))
        assert recording.starts_s == pytest.approx((100.0,), abs=SIZE / 4)
        told = "its nominal rate is 100 Hz, its samples are 20 ms apart: took these" in recording.history
        assert told == (nominal_hz == 100)


def test_samples_lost_often_or_a_clock_that_jumps_back_leave_the_rate_as_it_is(file, random):
    often = np.delete(stamps(1000), np.arange(100, 1000, 100))
    at_random = stamps(1000)[random.random(1000) > 0.3]
    back = np.concatenate([stamps(500), stamps(500, 90.0)])
    for at, stretches in ((often, 10), (at_random, 1 + int((np.diff(at_random) > 1.5 * SIZE).sum())), (back, 2)):
        with XdfWriter(file) as writer:
            writer.add_samples(writer.add_stream(header("nsp", "Spikes", "ab")), np.ones((len(at), 2)), at)
        recording = read_recording(file)
        assert (recording.bin_size_s, recording.repeats) == (SIZE, stretches)
        assert recording.recorded_bins == len(at)


def test_a_clock_that_drifts_is_told(file):
    with XdfWriter(file) as writer:
        at = 100 + np.arange(2000) * SIZE * 1.005
        writer.add_samples(writer.add_stream(header("nsp", "Spikes", "ab")), np.ones((2000, 2)), at)
    recording = read_recording(file)
    assert (recording.bin_size_s, recording.bins) == (SIZE, 2000)
    assert "its clock drifts by up to 0.2 s from bins of 20 ms" in recording.history
