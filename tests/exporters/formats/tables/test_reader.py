import json

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.tables import reader as tables
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import from_counts


@pytest.fixture
def frame(random):
    """80 rows of 20 ms: four units, a velocity and a target."""
    units = {f"unit_{i}": random.poisson(0.3, 80) for i in range(4)}
    moved = {"vx": random.normal(size=80), "vy": random.normal(size=80)}
    return pd.DataFrame({"time": 3 + np.arange(80) * 0.02, **units, **moved, "target": np.arange(80) // 40})


UNITS = ["unit_0", "unit_1", "unit_2", "unit_3"]
WAYS = {
    "a.csv": lambda table, path: table.to_csv(path, index=False),
    "with row numbers.CSV": lambda table, path: table.to_csv(path),
    "a.csv.gz": lambda table, path: table.to_csv(path, index=False),
    "a.tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "a.txt": lambda table, path: table.to_csv(path, index=False, sep=" "),
    "decimal comma.csv": lambda table, path: table.to_csv(path, index=False, sep=";", decimal=","),
    "with a mark.csv": lambda table, path: table.to_csv(path, index=False, encoding="utf-8-sig"),
    "a.parquet": lambda table, path: table.to_parquet(path),
    "index.pq": lambda table, path: table.set_index("time").to_parquet(path),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_column_a_unit_is_read_however_it_was_saved(name, frame, tmp_path):
    WAYS[name](frame, tmp_path / name)
    recording = read_recording(tmp_path / name, conditions={"velocity [cm/s]": "vx,vy"})
    np.testing.assert_array_equal(recording.counts[0], frame[UNITS])
    np.testing.assert_allclose(recording.conditions[0], frame[["vx", "vy"]], rtol=1e-6)
    assert [(channel.name, channel.unit) for channel in recording.channels] == [
        ("velocity x", "cm/s"),
        ("velocity y", "cm/s"),
    ]
    assert (recording.bin_size_s, recording.starts_s, recording.unit_names) == (0.02, (3.0,), tuple(UNITS))
    assert recording.history[0] == "took 4 columns for units: unit_0, unit_1, unit_2, unit_3"


def test_what_a_table_holds_is_listed(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    what = {item.path: item.what for item in tables.items(tmp_path / "a.csv")}
    assert what == {
        "time": "time",
        **dict.fromkeys(UNITS, "counts"),
        "vx": "series",
        "vy": "series",
        "target": "series",
    }
    frame.to_parquet(tmp_path / "a.parquet")
    assert {item.shape for item in tables.items(tmp_path / "a.parquet")} == {(80,)}


def test_columns_of_whole_numbers_are_units_where_none_is_called_so(frame, tmp_path):
    renamed = frame.rename(columns=dict(zip(UNITS, "ABCD", strict=True))).drop(columns="target")
    renamed.to_csv(tmp_path / "a.csv", index=False)
    assert read_recording(tmp_path / "a.csv").unit_names == tuple("ABCD")
    assert read_recording(tmp_path / "a.csv", key="B,D").unit_names == ("B", "D")
    with pytest.raises(BadInputError, match="--key: expected one of 7 columns .*found 'Z'"):
        read_recording(tmp_path / "a.csv", key="Z")
    with pytest.raises(BadInputError, match=r"--condition: expected one of 7 columns \(such as vx"):
        read_recording(tmp_path / "a.csv", conditions={"v": "v_x"})


def test_patterns_choose_columns(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", key="unit_[13]", conditions={"velocity": "v*"})
    assert recording.unit_names == ("unit_1", "unit_3")
    assert [channel.name for channel in recording.channels] == ["velocity x", "velocity y"]


def test_rows_are_added_up_to_the_bins_that_are_asked_for(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", 0.06, conditions={"v": "vx"})
    whole = frame.iloc[:78].groupby(np.arange(78) // 3)
    np.testing.assert_array_equal(recording.counts[0], whole[UNITS].sum())
    np.testing.assert_allclose(recording.conditions[0, :, 0], whole["vx"].mean(), rtol=1e-5)
    assert recording.history[1:3] == ("left out 2 rows at the ends, which fill no bin", "added up 3 rows in each bin")
    with pytest.raises(BadInputError, match="a multiple of 20 ms, which is a row of a.csv, found 50 ms"):
        read_recording(tmp_path / "a.csv", 0.05)


def test_a_column_of_trials_cuts_trials(frame, tmp_path):
    frame["trial"] = np.repeat([7, 7, 8, np.nan, 9], 16)
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", conditions={"v": "vx"})
    assert recording.lengths == (32, 16, 16)
    np.testing.assert_allclose(recording.starts_s or (), [3.0, 3.64, 4.28])
    np.testing.assert_array_equal(recording.counts[2, :16], frame[UNITS][64:])
    np.testing.assert_allclose(recording.conditions[1, :16, 0], frame["vx"][32:48], rtol=1e-6)
    assert "left out 16 rows between trials" in recording.history
    assert read_recording(tmp_path / "a.csv", trials="1-2").repeats == 2


def test_missing_rows_cut_and_uneven_ones_are_refused(frame, tmp_path, random):
    frame.drop(index=range(30, 50)).to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv")
    assert recording.bins_of_repeats.tolist() == [30, 30]
    np.testing.assert_array_equal(recording.counts[1], frame[UNITS][50:])
    assert "cut at 1 gaps in the times" in recording.history
    frame["time"] = np.sort(random.uniform(0, 5, 80))
    frame.to_csv(tmp_path / "uneven.csv", index=False)
    with pytest.raises(BadInputError, match="evenly spaced in time, found steps of"):
        read_recording(tmp_path / "uneven.csv")
    frame["time"] = 3.5
    frame.to_csv(tmp_path / "still.csv", index=False)
    with pytest.raises(BadInputError, match="expected times that rise"):
        read_recording(tmp_path / "still.csv")


def test_whole_numbers_of_time_need_their_unit(frame, tmp_path):
    frame["time"] = np.arange(80) * 20
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BadInputError, match="column time, found whole numbers.*--time-unit ms.*or give --bin-size-ms"):
        read_recording(tmp_path / "a.csv")
    assert read_recording(tmp_path / "a.csv", time_unit="ms").bin_size_s == 0.02
    assert read_recording(tmp_path / "a.csv", 0.02).bins == 80
    frame.rename(columns={"time": "time_ms"}).to_csv(tmp_path / "b.csv", index=False)
    assert read_recording(tmp_path / "b.csv").bin_size_s == 0.02
    frame.rename(columns={"time": "Time (ms)"}).to_csv(tmp_path / "c.csv", index=False)
    assert read_recording(tmp_path / "c.csv").bin_size_s == 0.02


def test_numbers_without_names_are_units(tmp_path, random):
    counts = random.poisson(0.3, (50, 4))
    np.savetxt(tmp_path / "a.txt", counts, fmt="%d", header="spike counts\nof 4 units")
    recording = read_recording(tmp_path / "a.txt", 0.02)
    np.testing.assert_array_equal(recording.counts[0], counts)
    with pytest.raises(BadInputError, match="--bin-size-ms"):
        read_recording(tmp_path / "a.txt")


@pytest.mark.parametrize("labels", ["numbers", "text"])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_spike_a_row_is_read(labels, name, tmp_path, random):
    times, units = np.sort(random.uniform(0, 10, 300)), random.integers(0, 5, 300)
    table = pd.DataFrame({"time": times, "unit": units if labels == "numbers" else [f"ch{i}" for i in units]})
    WAYS[name](table, tmp_path / name)
    recording = read_recording(tmp_path / name, 0.1, start_s=0.0, stop_s=10.0)
    expected = np.histogram2d(times, units, [np.arange(101) * 0.1, np.arange(6) - 0.5])[0]
    np.testing.assert_array_equal(recording.counts[0], expected)
    assert recording.unit_names[0] == ("unit 0" if labels == "numbers" else "ch0")
    with pytest.raises(BadInputError, match="these are spike times; give the size of the bins"):
        read_recording(tmp_path / name)
    with pytest.raises(BadInputError, match="--condition: .* has a spike in each row"):
        read_recording(tmp_path / name, 0.1, conditions={"v": "time"})


def test_a_spike_a_row_in_trials_is_read(tmp_path, random):
    table = pd.DataFrame(
        {
            "trial": random.integers(3, 7, 300),
            "Unit": random.integers(0, 5, 300),
            "time_ms": 1.0 * random.integers(0, 999, 300),
        }
    )
    table.loc[5, "time_ms"] = np.nan
    table.to_csv(tmp_path / "a.csv")
    recording = read_recording(tmp_path / "a.csv", 0.001, start_s=0.0, stop_s=1.0)
    expected = np.zeros((4, 1000, 5))
    kept = table.dropna().astype(int)
    np.add.at(expected, (kept["trial"] - 3, kept["time_ms"], kept["Unit"]), 1)
    np.testing.assert_array_equal(recording.counts, expected)
    assert "left out 1 rows without a time or unit" in recording.history


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no line of text"),
        (b"\x89PNG\0\0\0\0" * 50, "bytes that are no text"),
        (b"hello\nworld\n", "expected columns of counts, one for each unit, such as unit_1"),
        (b"time,unit_1\n", "expected a table with rows, found 0 rows"),
        (b"time,unit_1,v\n0.1,1,a\n0.2,0,b\n", "expected numbers in column v, found text such as 'a'"),
        (b"time,unit_1,v\n0.1,1,1\n,0,2\n", "expected a time in each row, found none in row 1"),
    ],
)
def test_what_is_no_table_of_spikes_is_refused_in_words(text, message, tmp_path):
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(BadInputError, match=message):
        read_recording(tmp_path / "a.csv", 0.1, conditions={"v": "v"} if b",v" in text else None)


def test_absent_files_and_folders_are_refused_in_words(tmp_path):
    (tmp_path / "b.csv").mkdir()
    (tmp_path / "b.parquet").mkdir()
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(BadInputError, match="no such file"):
            read_recording(tmp_path / name)
        with pytest.raises(BadInputError, match="found a folder"):
            read_recording(tmp_path / name.replace("a", "b", 1))


def test_pandas_reads_what_is_written_with_everything_else_in_the_schema(tmp_path, random):
    counts = random.poisson(0.3, (2, 30, 3))
    recording = with_conditions(
        from_counts(counts, 0.02, ["ch", "ch", "time"], "here"), np.ones((2, 30, 1)), ["speed"], ["cm/s"]
    )
    write_recording(recording, tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert list(table.columns) == ["repeat", "time", "ch", "ch (2)", "time (2)", "speed"]
    np.testing.assert_array_equal(table.iloc[:, 2:5], counts.reshape(60, 3))
    stated = pyarrow.parquet.read_schema(tmp_path / "a.parquet").metadata[b"spikeloop"]
    assert json.loads(stated) == recording.to_dict()
    asked = read_recording(tmp_path / "a.parquet", key="ch*")
    np.testing.assert_array_equal(asked.counts, counts[..., :2])


@settings(max_examples=20)
@given(step=st.floats(1e-4, 1.0), start=st.floats(0, 1e4), digits=st.integers(3, 9))
def test_the_bin_is_found_from_times_that_are_rounded(step, start, digits, tmp_path_factory):
    step = max(round(step, digits), 10.0 ** -(digits - 2))  # times are written to a hundredth of a step, or finer
    step = round(step, digits)
    path = tmp_path_factory.mktemp("table") / "a.csv"
    times = np.round(start + np.arange(200) * step, digits)
    pd.DataFrame({"t": times, "unit_1": 1, "unit_2": 0}).to_csv(path, index=False)
    recording = read_recording(path, None if np.any(times % 1) else step)
    assert recording.bin_size_s == pytest.approx(step, rel=1e-4)
    assert recording.bins == 200


def test_a_trial_of_reaches_is_read_with_its_hand(data_folder):
    path = data_folder / "formats" / "trial_748.csv"
    table = pd.read_csv(path)
    recording = read_recording(path, conditions={"velocity [mm/s]": "hand_vel_x,hand_vel_y"})
    units = [name for name in table.columns if name.startswith("unit_")]
    assert recording.counts.shape == (1, 3236, 182)
    np.testing.assert_array_equal(recording.counts[0], table[units])
    np.testing.assert_array_equal(recording.conditions[0], table[["hand_vel_x", "hand_vel_y"]].astype(np.float32))
    assert (recording.bin_size_s, recording.starts_s) == (0.001, (2282.6,))
    assert read_recording(path, 0.02).counts.sum() == np.sum(table[units].to_numpy()[:3220])


@pytest.mark.parametrize(("step", "size_ms", "bins"), [(1, 20, 4), (20, 40, 40), (20, 20, 80)])
def test_whole_numbers_are_milliseconds_where_the_bin_size_is_a_multiple_of_their_step(
    step, size_ms, bins, frame, tmp_path
):
    frame.assign(time=np.arange(80) * step).to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", size_ms / 1000)
    assert (recording.bins, recording.counts.sum()) == (bins, frame[UNITS].to_numpy().sum())
    assert f"took the whole numbers of column time for ms, {step} ms from row to row" in recording.history


@pytest.mark.parametrize(
    ("times", "size_s"), [(np.arange(80) * 30, 0.02), (np.arange(80), 1.0), (2 ** np.arange(8), 1)]
)
def test_whole_numbers_that_could_be_anything_need_their_unit(times, size_s, frame, tmp_path):
    frame[: len(times)].assign(time=times).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BadInputError, match="found whole numbers.*--time-unit ms"):
        read_recording(tmp_path / "a.csv", size_s)


def test_the_number_of_a_bin_is_no_time_and_no_unit(frame, tmp_path):
    renamed = frame.rename(columns=dict(zip(UNITS, "ABCD", strict=True)))[[*"ABCD"]]
    for name in ("time_bin", "frame", "bin"):
        renamed.assign(**{name: np.arange(80)}).to_csv(tmp_path / "a.csv", index=False)
        recording = read_recording(tmp_path / "a.csv", 0.02)
        assert (recording.unit_names, recording.bins, recording.bin_size_s) == (tuple("ABCD"), 80, 0.02)


@pytest.mark.parametrize("names", [UNITS, [*"ABCD"]])
def test_a_text_among_counts_is_named_with_its_row(names, frame, tmp_path):
    frame = frame.rename(columns=dict(zip(UNITS, names, strict=True))).astype({names[1]: object})
    frame.loc[17, names[1]] = "bad"
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BadInputError, match=f"counts in column {names[1]}, found text such as 'bad' in row 17"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-8-sig"])
def test_names_are_read_however_their_letters_are_written(encoding, frame, tmp_path):
    frame.rename(columns={"unit_1": "unit_ä"}).to_csv(tmp_path / "a.csv", index=False, encoding=encoding)
    assert read_recording(tmp_path / "a.csv").unit_names == ("unit_0", "unit_ä", "unit_2", "unit_3")


def test_columns_of_whole_numbers_that_are_left_out_are_told(frame, tmp_path):
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert "left out columns of whole numbers, not called units: target" in read_recording(tmp_path / "a.csv").history


@pytest.mark.parametrize("name", ["time (ms)", "spike_time [ms]", "Time(msec)", "time_ms"])
def test_the_unit_of_spikes_in_rows_is_read_off_their_column(name, tmp_path):
    table = pd.DataFrame({name: [500, 1500, 2500.5, 3000], "unit": ["a", "NA", "a", "NA"]})
    table.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv", 0.5)
    assert sorted(recording.unit_names) == ["NA", "a"]
    assert recording.counts.sum() == 4
    assert recording.duration_s == pytest.approx(2.5, abs=0.6)


def test_na_among_numbers_of_units_is_a_missing_one(tmp_path):
    (tmp_path / "a.csv").write_text("time,unit\n0.1,1\n0.25,NA\n0.3,2\n0.55,1\n")
    recording = read_recording(tmp_path / "a.csv", 0.1)
    assert (recording.unit_names, recording.counts.sum()) == (("unit 1", "unit 2"), 3)
