import subprocess
import sys
from dataclasses import replace
from typing import Any

import neo as neo_library
import numpy as np
import pytest
import quantities as pq
from hypothesis import given, settings
from neo import io as readers

from spikeloop.exporters.formats.neo import reader as neo
from spikeloop.exporters.formats.neo.files import SUFFIXES
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording
from tests.support.acquired import RATE_HZ, write_nev, write_nex, write_plx
from tests.support.round_trips import assert_same, recordings

pytestmark = pytest.mark.filterwarnings("ignore")  # Neo, quantities and nixio warn about themselves
SIZE = 0.02


def train(times, stop=2.0, start=0.0, **more):
    return neo_library.SpikeTrain(np.array(times) * pq.s, t_start=start * pq.s, t_stop=stop * pq.s, **more)


def nix(path, *segments):
    """Write segments, as another program would."""
    block = neo_library.Block(name="session")
    block.segments.extend(segments)
    writer = readers.NixIO(str(path), mode="ow")
    writer.write_block(block)
    writer.close()
    return path


@pytest.fixture
def segment():
    segment = neo_library.Segment()
    segment.spiketrains.append(train([0.011, 0.5, 1.2], name="a", quality="good"))
    segment.spiketrains.append(train([0.7], name="b", quality="mua"))
    ramp = np.stack([np.arange(400.0), -np.arange(400.0)], axis=1)
    hand: Any = neo_library.AnalogSignal(ramp, units="mm/s", sampling_rate=200 * pq.Hz, name="hand")
    hand.array_annotate(channel_names=np.array(["vx", "vy"]))
    segment.analogsignals.append(hand)
    segment.epochs.append(
        neo_library.Epoch(
            np.array([0.0, 1.0]) * pq.s, durations=np.array([0.6, 0.5]) * pq.s, labels=["1", "2"], name="trials"
        )
    )
    return segment


@given(recordings())
@settings(max_examples=15)
def test_a_recording_comes_back_as_it_was_written(tmp_path_factory, recording):
    path = tmp_path_factory.mktemp("nix") / "round.nix"
    write_recording(recording, path)
    assert_same(read_recording(path), recording)


@pytest.mark.parametrize("starts_s", [None, (0.0, 0.0), (5.0, 1.0), (1e5, 1e5 + 0.6), (1.0, 1e15)])
def test_trials_of_any_times_and_units_of_any_names_come_back_exactly(tmp_path, random, starts_s):
    counts = random.integers(0, 80, (2, 30, 5))
    counts[0, :, 0] = 255
    recording = Recording.from_counts(counts, SIZE, ["a", "a", "a ", " ", "unit 0"], "session")
    write_recording(replace(recording, starts_s=starts_s), tmp_path / "session.nix")
    found = read_recording(tmp_path / "session.nix")
    assert_same(found, replace(recording, starts_s=starts_s))
    assert (found.starts_s, found.history, found.binning) == (starts_s, (), None)
    joined = read_recording(tmp_path / "session.nix", 3 * SIZE, trials="1", units="4")
    np.testing.assert_array_equal(joined.counts[0, :, 0], counts[1, :, 4].reshape(10, 3).sum(axis=1))


@pytest.mark.parametrize("starts_s", [None, (5.0, 1.0)])
def test_a_condition_of_ours_can_be_asked_for_by_its_name(tmp_path, random, starts_s):
    recording = replace(Recording.from_counts(random.integers(0, 4, (2, 30, 3)), SIZE), starts_s=starts_s)
    recording = with_conditions(recording, random.random((2, 30, 2)), ["x", "y"])
    write_recording(recording, tmp_path / "session.nix")
    found = read_recording(tmp_path / "session.nix", conditions={"height [cm]": "y"})
    assert [(channel.name, channel.unit) for channel in found.channels] == [("height", "cm")]
    np.testing.assert_array_equal(found.conditions[..., 0], recording.conditions[..., 1])


def test_neo_reads_the_spikes_that_were_written(tmp_path, random):
    counts = random.integers(0, 4, (2, 30, 3))
    recording = Recording.from_counts(counts, SIZE, ["a", "b", "c"], "session")
    write_recording(replace(recording, starts_s=(10.0, 20.0)), tmp_path / "session.nix")
    reader = readers.NixIO(str(tmp_path / "session.nix"), mode="ro")
    (segment,) = reader.read_all_blocks()[0].segments
    reader.close()
    assert [spikes.name for spikes in segment.spiketrains] == ["a", "b", "c"]
    (trials,) = segment.epochs
    np.testing.assert_allclose(trials.rescale("s").magnitude, [10.0, 20.0])
    np.testing.assert_allclose(trials.durations.rescale("s").magnitude, 30 * SIZE)
    for spikes, rows in zip(segment.spiketrains, np.moveaxis(counts, 2, 0), strict=True):
        for start, row in zip((10.0, 20.0), rows, strict=True):
            binned = np.histogram(spikes.rescale("s").magnitude, start + np.arange(31) * SIZE)[0]
            np.testing.assert_array_equal(binned, row)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of the system")
def test_a_disk_that_refuses_is_told_and_leaves_nothing(tmp_path):
    code = (
        "import resource, numpy, spikeloop\n"
        "recording = spikeloop.Recording.from_counts(numpy.ones((50, 3)), 0.02)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n    spikeloop.write_recording(recording, 'full.nix')\n"
        "except spikeloop.FailureError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "could not write full.nix" in run.stdout
    assert "free some space" in run.stdout
    assert not list(tmp_path.iterdir())


def test_units_labels_and_bounds_are_those_of_the_file(tmp_path, segment):
    path = nix(tmp_path / "other.nix", segment)
    recording = read_recording(path, 0.1)
    assert recording.unit_names == ("a", "b")
    assert (recording.bins, recording.name) == (20, "session")
    assert np.flatnonzero(recording.counts[0, :, 0]).tolist() == [0, 5, 12]
    assert read_recording(path, 0.1, units="mua").unit_names == ("b",)
    with pytest.raises(BadInputError, match="--bin-size-ms"):
        read_recording(path)


def test_epochs_are_trials(tmp_path, segment):
    recording = read_recording(nix(tmp_path / "other.nix", segment), 0.1, trials="all")
    assert recording.lengths == (6, 5)
    assert recording.starts_s == (0.0, 1.0)


@pytest.mark.parametrize(("key", "sign"), [("vx", 1), ("hand[vy]", -1), ("hand[1]", -1)])
def test_signals_become_conditions_with_their_units(tmp_path, segment, key, sign):
    path = nix(tmp_path / "other.nix", segment)
    recording = read_recording(path, 0.1, conditions={"speed": key})
    assert [(channel.name, channel.unit) for channel in recording.channels] == [("speed", "mm/s")]
    expected = sign * np.arange(400.0).reshape(20, 20).mean(axis=1)
    np.testing.assert_allclose(recording.conditions[0, :, 0], expected)
    both = read_recording(path, 0.1, conditions={"velocity": "hand"})
    assert [channel.name for channel in both.channels] == ["velocity x", "velocity y"]
    with pytest.raises(BadInputError, match=r"expected a signal of .*hand \(400, 2\).*found 'foot'"):
        read_recording(path, 0.1, conditions={"speed": "foot"})


def test_segments_are_trials_of_their_own_lengths_with_units_matched_by_name(tmp_path):
    first, second = neo_library.Segment(), neo_library.Segment()
    first.spiketrains.append(train([0.05], 0.4, name="a"))
    second.spiketrains.extend([train([0.15], 0.2, name="b"), train([0.05, 0.06], 0.2, name="a")])
    recording = read_recording(nix(tmp_path / "other.nix", first, second), 0.1)
    assert recording.unit_names == ("a", "b")
    assert recording.lengths == (4, 2)
    assert recording.counts[..., 0].tolist() == [[1, 0, 0, 0], [2, 0, 0, 0]]
    assert recording.counts[..., 1].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert read_recording(tmp_path / "other.nix", 0.1, trials="1").counts.shape == (1, 2, 2)


def test_units_without_names_or_with_the_same_are_told_apart(tmp_path):
    segment = neo_library.Segment()
    segment.spiketrains.extend([train([0.1]), train([0.2], name="a"), train([0.3], name="a")])
    assert read_recording(nix(tmp_path / "other.nix", segment), 0.1).unit_names == ("unit 0", "a", "a (2)")


def test_a_file_without_spike_trains_is_told(tmp_path, segment):
    segment.spiketrains.clear()
    with pytest.raises(BadInputError, match="expected spike trains, found none"):
        read_recording(nix(tmp_path / "other.nix", segment), 0.1)


@pytest.mark.parametrize("suffix", [".nev", ".NEV"])
def test_blackrock_files_are_counted_as_neo_reads_them(tmp_path, random, suffix):
    samples = np.sort(random.integers(0, 5 * RATE_HZ, 300)).tolist()
    spikes = [(s, int(e), int(u)) for s, e, u in zip(samples, random.integers(1, 4, 300), random.integers(0, 2, 300))]  # noqa: B905
    write_nev(tmp_path / f"session{suffix}", spikes)
    recording = read_recording(tmp_path / f"session{suffix}", SIZE)
    assert recording.starts_s is not None
    assert recording.counts.sum() >= 295  # a last bin that the file does not fill is left out
    write_nev(tmp_path / "reference.nev", spikes)
    for spiketrain in readers.BlackrockIO(str(tmp_path / "reference.nev")).read_segment().spiketrains:
        number = recording.unit_names.index(spiketrain.name)
        seconds = np.array(spiketrain.rescale("s").magnitude)
        seconds -= recording.starts_s[0]
        expected = np.bincount((seconds / SIZE + 1e-6).astype(int), minlength=recording.bins)
        np.testing.assert_array_equal(recording.counts[0, :, number], expected[: recording.bins])
    sorted_only = read_recording(tmp_path / f"session{suffix}", SIZE, units="sorted")
    assert all(name.endswith("#1") for name in sorted_only.unit_names)


def test_plexon_files_are_counted_as_neo_reads_them(tmp_path, random, capfd):
    samples = np.sort(random.integers(0, 5 * RATE_HZ, 300)).tolist()
    write_plx(tmp_path / "s.plx", [(sample, 1 + i % 2, i // 2 % 3) for i, sample in enumerate(samples)])
    recording = read_recording(tmp_path / "s.plx", SIZE)
    assert "Parsing" not in capfd.readouterr().err
    assert recording.unit_names == tuple(f"sig00{channel}#{unit}" for channel in (1, 2) for unit in (0, 1, 2))
    for number, spiketrain in enumerate(readers.PlexonIO(str(tmp_path / "s.plx")).read_segment().spiketrains):
        expected = np.histogram(spiketrain.rescale("s").magnitude, np.arange(recording.bins + 1) * SIZE - 1e-8)[0]
        np.testing.assert_array_equal(recording.counts[0, :, number], expected)
    assert read_recording(tmp_path / "s.plx", SIZE, units="unsorted").unit_names == ("sig001#0", "sig002#0")


def test_neuroexplorer_files_are_read_with_their_intervals(tmp_path):
    write_nex(tmp_path / "s.nex", {"sig001a": [300, 9000], "sig001b": [30_000]}, [(0, 6000), (24_000, 36_000)])
    recording = read_recording(tmp_path / "s.nex", 0.1, trials="all")
    assert recording.unit_names == ("sig001a", "sig001b")
    assert recording.lengths == (2, 4)
    assert recording.counts[..., 0].sum() == 1
    assert recording.counts[1, :, 1].tolist() == [0, 0, 1, 0]


def test_what_is_in_a_file_is_listed(tmp_path, segment):
    found = neo.items(nix(tmp_path / "other.nix", segment))
    assert [(item.path, item.what) for item in found] == [
        ("a", "spike times"),
        ("b", "spike times"),
        ("hand", "series"),
        ("trials", "trials"),
    ]


def test_every_suffix_has_a_reader_in_neo_that_reads_spike_trains():
    for suffix, name in SUFFIXES.items():
        reader = getattr(readers, name)
        assert neo_library.SpikeTrain in reader.supported_objects, suffix
        assert reader is not readers.PickleIO


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_what_is_no_such_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"nothing of the kind" * 40)
    with pytest.raises(BadInputError, match="expected|can't read it"):
        read_recording(path, SIZE)


def test_what_nest_writes_are_spikes_of_neurons_in_milliseconds(tmp_path):
    (tmp_path / "spikes.gdf").write_text("3\t10.5\n12\t25.0\n3\t199.0\n3\t41.0\n")
    recording = read_recording(tmp_path / "spikes.gdf", 0.02)
    assert recording.unit_names == ("neuron 3", "neuron 12")
    assert recording.counts[0].T.tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]
    assert np.flatnonzero(recording.counts[0, :, 0]).tolist() == [0, 2, 9]


def test_segments_are_trials_even_without_spikes(tmp_path):
    def segment(times):
        made = neo_library.Segment()
        made.spiketrains.append(neo_library.SpikeTrain(times, t_stop=1.0, units="s", name="a"))
        return made

    nix(tmp_path / "a.nix", segment([0.1, 0.2]), segment([0.3]), segment([]))
    assert read_recording(tmp_path / "a.nix", 0.1).repeats == 3
