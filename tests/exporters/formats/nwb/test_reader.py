"""NWB files that PyNWB, or a hand with h5py, wrote: what is read from them, beside PyNWB's own reading."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import neo
import numpy as np
import pytest
import quantities as pq
from neo.io.nwbio import NWBIO
from pynwb import TimeSeries

from spikeloop.exporters.formats.nwb.reader import items
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.errors import BadInputError
from tests.support.nwb_sessions import SPIKES, empty_session, read_by_pynwb, save_session, session_of_a_lab, velocity_at

pytestmark = [
    pytest.mark.realtime,  # a program looks through each file first
    pytest.mark.filterwarnings("ignore"),  # PyNWB and HDMF warn about each other
]

BIN_S = 0.02


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    return session_of_a_lab(tmp_path_factory.mktemp("nwb") / "session.nwb")


def histograms(start: float, stop: float) -> np.ndarray:
    """Counts by NumPy; no spike of the session is near an edge but the one at 0.3 s."""
    edges = start + np.arange(round((stop - start) / BIN_S) + 1) * BIN_S
    return np.stack([np.histogram(times + 1e-9, edges)[0] for times in SPIKES], axis=1)


def test_units_are_counted_over_the_time_that_they_were_observed(session):
    recording = read_recording(session, BIN_S)
    assert recording.counts.shape == (1, 395, 4)
    assert recording.starts_s == (0.1,)
    np.testing.assert_array_equal(recording.counts[0], histograms(0.1, 8.0))
    assert recording.unit_names == ("unit 7", "unit 3", "unit 12", "unit 101")


def test_counts_are_those_of_the_times_that_pynwb_reads(session):
    with read_by_pynwb(session) as session_read:
        units = session_read.units
        sizes = [len(units["spike_times"][row]) for row in range(4)]
        assert [f"unit {number}" for number in units.id[:]] == list(read_recording(session, BIN_S).unit_names)
    assert read_recording(session, BIN_S).counts.sum(axis=(0, 1)).tolist() == sizes


@pytest.mark.parametrize(
    ("units", "names"),
    [
        ("good", ("unit 7", "unit 101")),
        ("MUA", ("unit 12",)),
        ("1,3", ("unit 3", "unit 101")),
        ("unit 101", ("unit 101",)),
    ],
)
def test_units_are_chosen_by_the_curators_label_by_number_or_by_name(session, units, names):
    recording, everything = read_recording(session, BIN_S, units=units), read_recording(session, BIN_S)
    assert recording.unit_names == names
    chosen = [everything.unit_names.index(name) for name in names]
    np.testing.assert_array_equal(recording.counts, everything.counts[..., chosen])


def test_only_the_stretch_of_time_that_was_asked_for_is_read(session):
    part = read_recording(session, BIN_S, start_s=1.1, stop_s=3.1, conditions={"v": "Velocity"})
    np.testing.assert_array_equal(part.counts[0], histograms(1.1, 3.1))
    assert part.starts_s == (1.1,)


def test_trials_are_those_of_the_trials_table(session):
    recording = read_recording(session, BIN_S, trials="all")
    assert recording.lengths == (50, 55, 60, 65)
    assert recording.starts_s == (0.5, 2.5, 4.5, 6.5)
    np.testing.assert_array_equal(recording.counts[1, :55], histograms(2.5, 3.6))


def test_other_intervals_are_chosen_by_name(session):
    recording = read_recording(session, BIN_S, trials="1", trial_key="epochs")
    assert recording.counts.shape == (1, 200, 4)
    assert recording.starts_s == (4.0,)


@pytest.mark.parametrize(
    "path", ["processing/behavior/Velocity", "/processing/behavior/Velocity", "Velocity", "velocity"]
)
def test_a_velocity_is_averaged_in_the_bins_in_the_files_unit(session, path):
    recording = read_recording(session, BIN_S, conditions={"velocity": path})
    assert [(channel.name, channel.unit) for channel in recording.channels] == [
        ("velocity x", "m/s"),
        ("velocity y", "m/s"),
    ]
    samples = 0.1 + np.arange(395 * 2) / 100
    np.testing.assert_allclose(recording.conditions[0], velocity_at(samples).reshape(395, 2, 2).mean(axis=1), atol=1e-6)


def test_values_are_those_of_pynwb_with_conversion_and_offset(session):
    recording = read_recording(session, 0.01, conditions={"hand": "Position/hand"})
    with read_by_pynwb(session) as session_read:
        hand = session_read.processing["behavior"]["Position"]["hand"]
        values, times = hand.data[:] * hand.conversion + hand.offset, hand.timestamps[:]
    inside = (times >= 0.1) & (times < 8.0)
    np.testing.assert_allclose(recording.conditions[0], values[inside], rtol=1e-6)
    assert recording.channels[0].unit == "cm"


@pytest.mark.parametrize(
    ("path", "unit", "value"),
    [
        ("CompassDirection", "radians", lambda t: t),
        ("PupilTracking/diameter", "", lambda t: np.floor(t * 10 + 1e-6)),
        ("stimulus/presentation/contrast", "percent", lambda t: t**2),
        ("BehavioralTimeSeries/torque", "N", lambda t: t),
        ("Velocity[1]", "m/s", lambda t: 0.5 * np.cos(t)),
    ],
)
def test_what_holds_a_single_series_and_columns_of_series_are_conditions(session, path, unit, value):
    recording = read_recording(session, 0.01, conditions={"it": path})
    assert [(channel.name, channel.unit) for channel in recording.channels] == [("it", unit)]
    samples = np.round(0.1 + np.arange(790) / 100, 2)
    np.testing.assert_allclose(recording.conditions[0, :, 0], value(samples), rtol=1e-5, atol=1e-6)


def test_a_series_of_intervals_is_one_from_each_beginning_to_each_end(session):
    recording = read_recording(session, 0.1, conditions={"light": "acquisition/light"})
    begin = recording.starts_s[0] if recording.starts_s else np.nan
    on = begin + 0.1 * np.flatnonzero(recording.conditions[0, :, 0])
    assert (begin, recording.bins) == (0.1, 79)
    np.testing.assert_allclose(on, np.concatenate([np.arange(1.0, 1.95, 0.1), np.arange(5.0, 5.45, 0.1)]))


def test_a_series_of_intervals_is_zero_before_and_after_and_has_the_unit_that_was_given(session):
    recording = read_recording(session, 0.1, start_s=0.0, stop_s=8.0, conditions={"light [V]": "acquisition/light"})
    on = np.zeros(80)
    on[10:20] = on[50:55] = 1
    np.testing.assert_array_equal(recording.conditions[0, :, 0], on)
    assert recording.channels[0].unit == "V"


def test_a_unit_in_the_name_replaces_that_of_the_file(session):
    assert read_recording(session, BIN_S, conditions={"v [a.u.]": "Velocity[0]"}).channels[0].unit == "a.u."


def test_a_column_of_the_trials_holds_over_each_trial(session):
    recording = read_recording(session, BIN_S, trials="all", conditions={"target": "trials:target_x"})
    expected = np.where(recording.recorded, np.array([1.0, -1.0, 3.5, 0.25])[:, np.newaxis], 0)
    np.testing.assert_array_equal(recording.conditions[..., 0], expected)


def test_bins_outside_of_the_trials_are_left_out_where_a_column_of_theirs_is_wanted(session):
    recording = read_recording(session, BIN_S, conditions={"target": "trials:target_x"})
    assert recording.repeats == 4
    assert recording.conditions[:, 0, 0].tolist() == [1.0, -1.0, 3.5, 0.25]


def test_counts_in_a_time_series_are_read_by_their_path(session):
    recording = read_recording(session, key="processing/ecephys/binned_spikes")
    np.testing.assert_array_equal(recording.counts[0], np.arange(80).reshape(20, 4) % 7)
    assert (recording.bin_size_s, recording.starts_s) == (0.05, (1.0,))


def test_counts_whose_times_jump_are_cut_into_trials(session):
    recording = read_recording(session, key="binned_in_trials")
    assert (recording.lengths, recording.starts_s) == ((12, 8), (0.0, 1.5))
    assert recording.counts[recording.recorded].sum() == (np.arange(80) % 7).sum()


def frames_by_hand(path: Path, times: np.ndarray, **arrays: np.ndarray) -> Path:
    with by_hand(path) as file:
        frames = file.create_group("acquisition/frames")
        frames["timestamps"] = times
        for name, values in ({"data": np.ones((len(times), 2), np.uint8)} | arrays).items():
            frames[name] = values
    return path


def test_time_stamps_that_jitter_are_evenly_spaced_but_for_gaps(tmp_path, random):
    times = np.concatenate([np.arange(5000), np.arange(5010, 10_010)]) / 30 + random.normal(0, 2e-4, 10_000)
    recording = read_recording(frames_by_hand(tmp_path / "frames.nwb", times), key="frames")
    assert recording.bins_of_repeats.tolist() == [5000, 5000]
    assert recording.bin_size_s == pytest.approx(1 / 30, rel=1e-5)
    assert any("cut into 2 trials" in sentence for sentence in recording.history)
    assert any("evenly spaced" in sentence for sentence in recording.history)


def test_counts_of_channels_are_converted_like_other_series(tmp_path):
    path = frames_by_hand(tmp_path / "frames.nwb", np.arange(50) * 0.1, channel_conversion=np.array([1.0, 3.0]))
    assert read_recording(path, key="frames").counts[0, 0].tolist() == [1, 3]


def test_everything_is_listed_with_shape_unit_and_rate(session):
    listed = {item.path: item for item in items(session)}
    assert (listed["units"].what, listed["units"].shape) == ("spike times", (4,))
    assert listed["intervals/trials"].what == "trials"
    assert listed["intervals/trials:target_x"].shape == (4,)
    velocity = listed["processing/behavior/Velocity"]
    assert (velocity.shape, velocity.unit, velocity.rate_hz) == ((900, 2), "m/s", 100.0)
    assert listed["acquisition/notes"].what == "text"


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({}, "--bin-size-ms"),
        ({"conditions": {"v": "Speed"}}, "there are .*processing/behavior/Velocity"),
        ({"conditions": {"v": "BehavioralTimeSeries"}}, "one of several, .*force.*torque"),
        ({"conditions": {"v": "acquisition/notes"}}, "found text"),
        ({"conditions": {"v": "Velocity[2]"}}, "2 columns, found column 2"),
        ({"conditions": {"v": "trials:side"}}, "target_x"),
        ({"conditions": {"v": "trials:outcome"}}, "found text"),
        ({"conditions": {"v": "runs:outcome"}}, "there are .*intervals/trials"),
        ({"units": "excellent"}, "labels good, mua, noise"),
        ({"key": "nothing"}, "--key.*there are units"),
        ({"trials": "0-9"}, "--trials.*0 to 3"),
        ({"trials": "0", "trial_key": "blocks"}, "--trial-key.*intervals/epochs"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(session, choices, words):
    size = {} if not choices else {"bin_size_s": BIN_S}
    with pytest.raises(BadInputError, match=words):
        read_recording(session, **size, **choices)


def with_gaps(path: Path) -> Path:
    """Two units, of which one was observed twice, and the other a little longer the second time."""
    session = empty_session()
    times = np.concatenate([np.arange(0.05, 10, 0.1), np.arange(90.05, 100, 0.1)])
    session.add_unit(spike_times=times, obs_intervals=[[0.0, 10.0], [90.0, 100.0]])
    session.add_unit(spike_times=times + 0.01, obs_intervals=[[0.0, 10.0], [90.0, 95.0], [95.0, 102.0]])
    session.add_trial(start_time=1.0, stop_time=2.0)
    return save_session(session, path)


@pytest.mark.parametrize(
    ("choices", "lengths", "starts"),
    [
        ({}, [100, 120], (0.0, 90.0)),
        ({"units": "0"}, [100, 100], (0.0, 90.0)),
        ({"start_s": 5.0, "stop_s": 92.0}, [50, 20], (5.0, 90.0)),
        ({"stop_s": 8.0}, [80], (0.0,)),
        ({"trials": "all"}, [10], (1.0,)),
    ],
)
def test_gaps_in_which_no_unit_was_observed_are_no_silence(tmp_path, choices, lengths, starts):
    recording = read_recording(with_gaps(tmp_path / "gaps.nwb"), 0.1, **choices)
    assert recording.bins_of_repeats.tolist() == lengths
    assert recording.starts_s == starts
    assert (recording.counts[0, : lengths[0]] == 1).all()
    assert any("observed" in sentence for sentence in recording.history) == (len(lengths) > 1)


def test_a_file_without_cached_namespaces_is_read(tmp_path):
    path = session_of_a_lab(tmp_path / "old.nwb")
    with h5py.File(path, "a") as file:
        del file["specifications"], file.attrs[".specloc"]
    assert read_recording(path, BIN_S).counts.shape == (1, 395, 4)


def test_a_suffix_in_capitals_is_read(tmp_path):
    assert read_recording(session_of_a_lab(tmp_path / "S.NWB"), BIN_S).units == 4


def by_hand(path: Path) -> h5py.File:
    """A file as MatNWB, an extension or an own script leaves it: no ids, byte strings, samples of other types."""
    file = h5py.File(path, "w")
    file.attrs["nwb_version"] = np.bytes_("2.2.0")
    return file


def test_units_in_a_processing_module_are_found_where_they_are_the_only_ones(tmp_path):
    with by_hand(tmp_path / "hand.nwb") as file:
        units = file.create_group("processing/ecephys/units")
        units.attrs["colnames"] = np.array([b"spike_times", b"KSLabel"])
        units["spike_times"] = np.array([0.1, 0.2, 0.5, 0.9], np.float32)
        units["spike_times_index"] = np.array([1, 1, 4], np.uint8)
        units["KSLabel"] = np.array([b"good", b"good", b"mua"])
    recording = read_recording(tmp_path / "hand.nwb", 0.1)
    assert recording.counts.sum(axis=(0, 1)).tolist() == [1, 0, 3]
    assert recording.unit_names == ("unit 0", "unit 1", "unit 2")
    assert read_recording(tmp_path / "hand.nwb", 0.1, units="mua").unit_names == ("unit 2",)


def test_several_tables_of_units_need_a_key(tmp_path):
    with by_hand(tmp_path / "two.nwb") as file:
        for number, name in enumerate(("probe_a", "probe_b")):
            file[f"processing/ecephys/{name}/spike_times"] = np.arange(1, 4) * 0.1 + number
            file[f"processing/ecephys/{name}/spike_times_index"] = [3]
            file[f"processing/ecephys/{name}/id"] = [number]
    with pytest.raises(BadInputError, match=r"probe_a, processing/ecephys/probe_b.*--key"):
        read_recording(tmp_path / "two.nwb", 0.1)
    assert read_recording(tmp_path / "two.nwb", 0.1, key="probe_b").unit_names == ("unit 1",)


def test_names_come_from_a_column_of_names_and_from_numbers_where_ids_repeat(tmp_path):
    with by_hand(tmp_path / "names.nwb") as file:
        file["units/spike_times"], file["units/spike_times_index"] = [0.1, 0.2], [1, 2]
        file["units/id"] = [0, 0]
    assert read_recording(tmp_path / "names.nwb", 0.1).unit_names == ("unit 0", "unit 1")
    with h5py.File(tmp_path / "names.nwb", "a") as file:
        file["units/unit_name"] = ["M1-a", "M1-b"]
    assert read_recording(tmp_path / "names.nwb", 0.1).unit_names == ("M1-a", "M1-b")


def test_series_with_channels_first_shared_timestamps_and_missing_samples_are_read(tmp_path):
    times = np.arange(400) * 0.01
    values = np.stack([times, -times, 2 * times])
    values[:, 100] = np.nan
    with by_hand(tmp_path / "odd.nwb") as file:
        file["units/spike_times"], file["units/spike_times_index"] = np.linspace(0.05, 3.9, 50), [50]
        file["acquisition/a/data"], file["acquisition/a/timestamps"] = values, times
        file["acquisition/b/data"] = values[0]
        file["acquisition/b/timestamps"] = h5py.SoftLink("/acquisition/a/timestamps")
    recording = read_recording(tmp_path / "odd.nwb", 0.01, stop_s=3.5, conditions={"a": "a", "b": "b"})
    assert [channel.name for channel in recording.channels] == ["a x", "a y", "a z", "b"]
    start = recording.starts_s[0] if recording.starts_s else 0.0
    np.testing.assert_allclose(
        recording.conditions[0, :, 2], 2 * (start + np.arange(recording.bins) * 0.01), atol=0.0101
    )


def test_spikes_that_are_listed_with_numbers_of_units_are_read_by_key(tmp_path):
    with by_hand(tmp_path / "clustering.nwb") as file:
        file["processing/ecephys/Clustering/times"] = [0.1, 0.15, 0.3]
        file["processing/ecephys/Clustering/num"] = [4, 2, 4]
        file["processing/ecephys/Clustering"].attrs["neurodata_type"] = "Clustering"
    recording = read_recording(tmp_path / "clustering.nwb", 0.1, key="Clustering")
    assert recording.unit_names == ("unit 2", "unit 4")
    assert recording.counts.sum(axis=(0, 1)).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("index", "times"), [([5], [0.1, 0.2]), ([2, 1], [0.1, 0.2]), ([1], ["a"]), (np.zeros(0, int), [0.1])]
)
def test_a_table_of_units_that_contradicts_itself_is_refused(tmp_path, index, times):
    with by_hand(tmp_path / "bad.nwb") as file:
        file["units/spike_times"], file["units/spike_times_index"] = times, index
    with pytest.raises(BadInputError, match="spike"):
        read_recording(tmp_path / "bad.nwb", 0.1)


def test_a_file_without_units_lists_what_could_hold_counts(tmp_path):
    session = empty_session()
    session.add_acquisition(TimeSeries(name="counts", data=np.ones((5, 3), int), unit="spikes", rate=10.0))
    path = save_session(session, tmp_path / "none.nwb")
    with pytest.raises(BadInputError, match=r"acquisition/counts.*--key"):
        read_recording(path, 0.1)
    assert read_recording(path, key="counts").counts.shape == (1, 5, 3)


def test_trials_of_a_file_without_any_are_refused(tmp_path):
    with by_hand(tmp_path / "no.nwb") as file:
        file["units/spike_times"], file["units/spike_times_index"] = [0.1, 0.2], [2]
    with pytest.raises(BadInputError, match="--trials"):
        read_recording(tmp_path / "no.nwb", 0.1, trials="all")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(BadInputError, match="no such file"):
        read_recording(tmp_path / "none.nwb", 0.1)


def test_what_neo_writes_is_read(tmp_path):
    block: Any = neo.Block(identifier="x", session_description="d", session_start_time=datetime(2024, 5, 1, tzinfo=UTC))
    segment: Any = neo.Segment(name="s")
    segment.block = block
    block.segments.append(segment)
    for number in range(3):
        times = np.array([0.11, 0.51, 0.91]) + 0.02 * number
        segment.spiketrains.append(neo.SpikeTrain(times * pq.s, t_stop=2 * pq.s, name=f"cell {number}"))
    signal: Any = neo.AnalogSignal(np.arange(100.0), units="mV", sampling_rate=50 * pq.Hz, name="field")
    segment.analogsignals.append(signal)
    parts: list[Any] = [*segment.spiketrains, signal]
    for part in parts:
        part.segment = segment
    NWBIO(str(tmp_path / "neo.nwb"), mode="w").write_all_blocks([block])
    (field,) = [item.path for item in items(tmp_path / "neo.nwb") if item.what == "series"]
    recording = read_recording(tmp_path / "neo.nwb", 0.02, conditions={"field": field})
    assert (recording.unit_names, recording.bins) == (("cell 0", "cell 1", "cell 2"), 100)
    assert [np.flatnonzero(unit).tolist() for unit in recording.counts[0].T] == [[5, 25, 45], [6, 26, 46], [7, 27, 47]]
    np.testing.assert_allclose(recording.conditions[0, :, 0], np.arange(100), atol=1e-4)
    assert recording.channels[0].unit == "mV"
