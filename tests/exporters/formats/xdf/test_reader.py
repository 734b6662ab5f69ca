import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import pyxdf
from hypothesis import given

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.exporters.formats.xdf import reader as xdf
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from tests.support.round_trips import assert_same, recordings
from tests.support.xdf_files import SIZE, header, stamps


@pytest.fixture
def file(tmp_path):
    return tmp_path / "session.xdf"


@given(recordings())
def test_a_recording_comes_back_as_it_was_written(tmp_path_factory, recording):
    path = tmp_path_factory.mktemp("xdf") / "round.xdf"
    write_recording(recording, path)
    assert_same(read_recording(path), recording)


def test_pyxdf_reads_the_same_counts_stamps_names_and_conditions(file, random):
    counts = random.integers(0, 9, (2, 30, 3))
    recording = Recording.from_counts(counts, SIZE, ["a", "b", "c"], "session")
    write_recording(recording, file)
    streams, _ = pyxdf.load_xdf(file, dejitter_timestamps=False)
    found = {stream["info"]["name"][0]: stream for stream in streams}["session"]
    np.testing.assert_array_equal(found["time_series"], counts.reshape(60, 3))
    np.testing.assert_allclose(found["time_stamps"][:30], np.arange(1, 31) * SIZE)
    np.testing.assert_allclose(found["time_stamps"][30] - found["time_stamps"][29], 1.0 + SIZE)
    channels = found["info"]["desc"][0]["channels"][0]["channel"]
    assert [channel["label"][0] for channel in channels] == ["a", "b", "c"]
    assert found["footer"]["info"]["sample_count"] == ["60"]


def test_the_only_stream_of_type_spikes_is_taken(file, random):
    counts = random.integers(0, 4, (50, 2))
    with XdfWriter(file) as writer:
        eeg = writer.add_stream(header("EEG", "EEG", "ab", form="float32"))
        spikes = writer.add_stream(header("nsp", "Spikes", ["ch1", "ch2"], form="float32"))
        writer.add_samples(eeg, random.normal(size=(50, 2)), stamps(50))
        writer.add_samples(spikes, counts, stamps(50))
    recording = read_recording(file)
    np.testing.assert_array_equal(recording.counts[0], counts)
    assert recording.unit_names == ("ch1", "ch2")
    assert recording.bin_size_s == pytest.approx(SIZE)
    assert recording.starts_s == pytest.approx((100.0,))


def test_of_several_streams_of_spikes_the_one_with_whole_numbers_is_taken(file, random):
    with XdfWriter(file) as writer:
        for name, values in (("rates", random.random((9, 2))), ("counts", np.ones((9, 2)))):
            writer.add_samples(writer.add_stream(header(name, "Spikes", "ab", form="float32")), values, stamps(9))
    assert read_recording(file).name == "counts"


def test_streams_that_could_be_meant_are_named(file):
    with XdfWriter(file) as writer:
        for name in ("left", "right"):
            writer.add_samples(writer.add_stream(header(name, "Spikes", "ab")), np.ones((9, 2)), stamps(9))
    with pytest.raises(BadInputError, match=r"left .*right .*--key STREAM"):
        read_recording(file)
    assert read_recording(file, key="right").name == "right"
    with pytest.raises(BadInputError, match=r"--key: expected a stream of .*left, right.*found 'middle'"):
        read_recording(file, key="middle")


def test_streams_of_one_name_are_told_apart_by_number(file):
    with XdfWriter(file) as writer:
        for value in (1, 2):
            stream = writer.add_stream(header("nsp", "Spikes", "ab"))
            writer.add_samples(stream, np.full((9, 2), value), stamps(9))
    with pytest.raises(BadInputError, match="choose one of nsp#1, nsp#2"):
        read_recording(file, key="nsp")
    assert read_recording(file, key="nsp#2").counts.max() == 2


def test_events_of_ours_become_trains_of_all_units_of_the_counts(file):
    own = {"bin_size_s": SIZE}
    with XdfWriter(file) as writer:
        writer.add_stream(header("s", "Spikes", ["a", "b", "c"], own=own))
        events = writer.add_stream(header("s-Events", "SpikeEvents", ["unit"], 0.0, "int32", own))
        writer.add_samples(events, [[2], [0], [2]], [10.001, 10.025, 10.03])
    recording = read_recording(file, SIZE)
    assert recording.unit_names == ("a", "b", "c")
    assert recording.counts[0].tolist() == [[0, 0, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("form", "values", "names"),
    [
        ("int32", [[7], [3], [7]], ("unit 3", "unit 7")),
        ("double64", [[7], [3], [7]], ("unit 3", "unit 7")),
        ("string", [["sig2"], ["sig1"], ["sig2"]], ("sig1", "sig2")),
    ],
)
def test_foreign_events_name_a_unit_by_number_or_by_text(file, form, values, names):
    with XdfWriter(file) as writer:
        events = writer.add_stream(header("sorter", "Spikes", ["unit"], 0.0, form))
        writer.add_samples(events, values, [1.001, 1.025, 1.03])
    recording = read_recording(file, SIZE)
    assert recording.unit_names == names
    assert recording.counts[0].tolist() == [[0, 1], [1, 1]]


def test_conditions_are_found_by_name_and_channel(file):
    ramp = np.arange(200.0)
    with XdfWriter(file) as writer:
        spikes = writer.add_stream(header("nsp", "Spikes", "ab"))
        hand = writer.add_stream(header("Hand", "MoCap", ["vx", "vy"], 4 / SIZE, "double64", unit="mm/s"))
        writer.add_samples(spikes, np.ones((50, 2)), stamps(50))
        at = 100.0 + (np.arange(200) + 0.5) * SIZE / 4
        writer.add_samples(hand, np.stack([ramp, -ramp], axis=1), at)
    recording = read_recording(file, conditions={"velocity": "Hand"})
    assert [(c.name, c.unit) for c in recording.channels] == [("velocity x", "mm/s"), ("velocity y", "mm/s")]
    expected = ramp.reshape(50, 4).mean(axis=1)
    np.testing.assert_allclose(recording.conditions[0, :, 0], expected, rtol=1e-5)
    for asked in ("Hand[vy]", "Hand[1]", "hand[vy]"):
        one = read_recording(file, conditions={"speed [cm/s]": asked})
        assert [(c.name, c.unit) for c in one.channels] == [("speed", "cm/s")]
        np.testing.assert_allclose(one.conditions[0, :, 0], -expected / 10, rtol=1e-5)
    with pytest.raises(BadInputError, match=r"expected a channel of Hand, 0 to 1 \(vx, vy\), found 'vz'"):
        read_recording(file, conditions={"speed": "Hand[vz]"})


def test_a_condition_of_texts_is_refused(file):
    with XdfWriter(file) as writer:
        writer.add_samples(writer.add_stream(header("nsp", "Spikes", "ab")), np.ones((9, 2)), stamps(9))
        words = writer.add_stream(header("words", "Markers", ["word"], 0.0, "string"))
        writer.add_samples(words, [["go"]], [100.0])
    with pytest.raises(BadInputError, match="expected a stream of numbers, found words, of texts"):
        read_recording(file, conditions={"word": "words"})


def test_an_interrupted_stream_is_cut_so_that_no_bin_spans_the_gap(file):
    own = {"bin_size_s": SIZE}
    with XdfWriter(file) as writer:
        stream = writer.add_stream(header("s", "Spikes", "ab", own=own))
        writer.add_samples(stream, np.ones((10, 2)), stamps(10))
        writer.add_samples(stream, np.ones((7, 2)), stamps(7, 100.3))
    recording = read_recording(file)
    assert recording.lengths == (10, 7)
    assert recording.starts_s == pytest.approx((100.0, 100.3))
    assert "2 stretches, between which the stream was interrupted (5 samples are missing)" in str(recording.history)


def test_clocks_are_synchronised_as_pyxdf_does(data_folder):
    path = data_folder / "formats" / "clock_resets.xdf"
    streams, _ = pyxdf.load_xdf(path)
    expected = next(stream for stream in streams if stream["info"]["type"] == ["EEG"])
    events = next(stream for stream in streams if stream["info"]["type"] == ["Markers"])
    recording = read_recording(path, 0.1, key="MyMarkerStream")
    assert recording.repeats == len(events["info"]["clock_segments"]) == 2
    assert recording.counts.sum() == len(events["time_stamps"])
    assert recording.binning is not None
    assert recording.binning.start_s == pytest.approx(events["time_stamps"].min(), abs=0.1)
    with pytest.raises(BadInputError, match=r"whole spike counts in BioSemi, found fractions.*no other stream of this"):
        read_recording(path, key="BioSemi")
    trials = read_recording(path, 0.1, key="MyMarkerStream", conditions={"eeg": "BioSemi[0]"})
    assert trials.repeats >= 2
    low, high = expected["time_series"][:, 0].min(), expected["time_series"][:, 0].max()
    assert low <= trials.channels[0].low <= trials.channels[0].high <= high


def test_real_integer_streams_are_read_as_pyxdf_reads_them(data_folder):
    path = data_folder / "formats" / "minimal.xdf"
    streams, _ = pyxdf.load_xdf(path)
    recording = read_recording(path, key="SendDataC")
    np.testing.assert_array_equal(recording.counts[0], streams[0]["time_series"])
    assert recording.bin_size_s == 0.1
    path = data_folder / "formats" / "empty_streams.xdf"
    recording = read_recording(path, key="Data stream: test stream 0 counter")
    assert recording.counts[0, :, 0].tolist() == list(range(10))


def test_texts_that_are_no_names_of_units_are_told_with_the_streams_that_could_be(data_folder):
    with pytest.raises(BadInputError, match=r"names of units in the texts of SendDataString.*with --key: SendDataC"):
        read_recording(data_folder / "formats" / "minimal.xdf", 0.1, key="SendDataString")


def test_a_stream_without_samples_is_told(data_folder):
    path = data_folder / "formats" / "empty_streams.xdf"
    with pytest.raises(BadInputError, match="has no samples; choose another"):
        read_recording(path, key="Empty data stream: test stream 0 counter")


def test_all_streams_are_listed(data_folder):
    found = xdf.items(data_folder / "formats" / "empty_streams.xdf")
    assert [(item.what, item.shape, item.dtype) for item in found] == [
        ("series", (0, 1), "float32"),
        ("series", (10, 1), "int32"),
        ("text", (1, 1), "string"),
        ("text", (0, 1), "string"),
    ]


def test_one_odd_label_costs_no_other_and_ours_come_back_exactly(file):
    with XdfWriter(file) as writer:
        names = ["a ", " ", "nan", "1e5", "a", "", "b\u200b"]
        writer.add_samples(writer.add_stream(header("nsp", "Spikes", names)), np.ones((9, 7)), stamps(9))
    assert read_recording(file).unit_names == ("a", "unit 1", "nan", "1e5", "a", "unit 5", "unit 6")
    write_recording(Recording.from_counts(np.ones((9, 4)), SIZE, ["a ", " ", "a", "a"]), file)
    assert read_recording(file).unit_names == ("a ", " ", "a", "a")


def test_what_was_written_before_a_kill_can_be_read(file):
    writer = XdfWriter(file).__enter__()
    stream = writer.add_stream(header("s", "Spikes", "ab", own={"bin_size_s": SIZE}))
    for k in range(3):
        writer.add_samples(stream, np.full((10, 2), k), stamps(10, 100 + k * 10 * SIZE))
    recording = read_recording(file)
    assert recording.counts[0, ::10, 0].tolist() == [0, 1, 2]
    writer.__exit__()


def test_a_live_streams_description_is_read_back(file):
    xml = (
        "<info><name>s</name><type>Spikes</type><channel_count>1</channel_count><nominal_srate>50</nominal_srate>"
        "<channel_format>int8</channel_format><desc><channels><channel><label>u1</label><unit>count</unit></channel>"
        "</channels><spikeloop><bin_size_s>0.02</bin_size_s></spikeloop></desc></info>"
    )
    with XdfWriter(file) as writer:
        stream = writer.add_stream(ElementTree.fromstring(xml))
        writer.add_samples(stream, [[127], [0]], stamps(2))
    recording = read_recording(file)
    assert recording.unit_names == ("u1",)
    assert "127 stands for 127 or more" in " ".join(recording.history)


@pytest.mark.parametrize("content", [b"", b"XDF:", b"MZ\x00\x00 something else"])
def test_what_is_no_xdf_file_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(BadInputError, match="XDF"):
        read_recording(file)


def test_samples_must_fit_their_stream():
    with XdfWriter(io.BytesIO()) as writer:
        stream = writer.add_stream(header("s", "Spikes", "ab"))
        words = writer.add_stream(header("w", "Markers", "a", 0.0, "string"))
        with pytest.raises(BadInputError, match=r"shape \(2, 2\), found \(2, 3\)"):
            writer.add_samples(stream, np.ones((2, 3)), [0, 1])
        with pytest.raises(BadInputError, match="1 texts for each of 2 stamps"):
            writer.add_samples(words, [["a"]], [0, 1])
        with pytest.raises(BadInputError, match="channel_format"):
            writer.add_stream(ElementTree.Element("info"))
    with pytest.raises(BadInputError, match="expected a file that is open"):
        writer.add_samples(stream, np.ones((1, 2)), [0])


def test_trials_are_told_in_markers(file):
    write_recording(Recording.from_counts(np.ones((2, 3, 1)), SIZE, name="s"), file)
    streams, _ = pyxdf.load_xdf(Path(file))
    marks = {stream["info"]["name"][0]: stream for stream in streams}["s-Markers"]["time_series"]
    assert [json.loads(row[0])["bins"] for row in marks] == [3, 3]
