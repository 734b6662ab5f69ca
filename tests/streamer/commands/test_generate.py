import json
import signal
import time

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.launch.generate import Generation
from spikeloop.streamer.stream.source import WindowSource, open_source
from tests.support.command_line import fails, run
from tests.support.tiny import tiny_stream_bundle


def test_windows_and_duration_hold_the_same_spikes(bundle_path, tmp_path):
    run("generate", bundle_path, "--windows", 10, "--seed", 4, "--out", tmp_path / "w.npz")
    run("generate", bundle_path, "--duration", 0.32, "--seed", 4, "--out", tmp_path / "d.npz")
    with np.load(tmp_path / "w.npz") as windows, np.load(tmp_path / "d.npz") as continuous:
        assert windows["spikes"].shape == (10, 32, 96)
        assert windows["spikes"].dtype == np.uint8
        np.testing.assert_array_equal(windows["spikes"].reshape(-1, 96), continuous["spikes"])
        expected = WindowSource(Engine(load_bundle(bundle_path)), 4).next(320)
        np.testing.assert_array_equal(continuous["spikes"], expected)


def test_json_tells_what_was_written(bundle_path, tmp_path, capsys):
    run("generate", bundle_path, "--duration", 0.5, "--out", tmp_path / "d.npz", "--json")
    summary = json.loads(capsys.readouterr().out)
    assert (summary["shape"], summary["seed"], summary["provider"]) == ([500, 96], 0, "CPUExecutionProvider")
    with np.load(tmp_path / "d.npz") as written:
        assert summary["mean_rate_hz"] == pytest.approx(written["spikes"].mean() * 1000)


def test_what_is_generated_reads_back_as_a_recording(bundle_path, tmp_path):
    run("generate", bundle_path, "--windows", 3, "--out", tmp_path / "w.npz")
    recording = read_recording(tmp_path / "w.npz")
    assert (recording.repeats, recording.bins, recording.bin_size_s) == (3, 32, 0.001)
    assert recording.unit_names == load_bundle(bundle_path).card.unit_names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either --windows or --duration"),
        (["--windows", 1, "--duration", 1], "either --windows or --duration"),
        (["--windows", 0], "--windows: expected at least 1"),
        (["--duration", 0], "--duration: expected at least one bin"),
        (["--windows", 1, "--seed", -2], "--seed: expected"),
    ],
)
def test_options_out_of_range_are_told(bundle_path, tmp_path, capsys, options, message):
    code, said = fails(capsys, "generate", bundle_path, "--out", tmp_path / "w.npz", *options)
    assert code == 2
    assert message in said
    assert not list(tmp_path.iterdir())


def test_where_no_file_can_be_is_a_failure(bundle_path, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    code, said = fails(capsys, "generate", bundle_path, "--windows", 1, "--out", tmp_path / "file" / "w.npz")
    assert code == 1
    assert "could not write" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "w.csv"], "ending in .npz"),
        (["--broadband", "w.wav"], "ending in .raw"),
        (["--broadband", "w.raw", "--windows", 3], "has no windows"),
        ([], "either --out FILE.npz"),
        (["--out", "w.npz", "--broadband", "w.raw"], "either --out FILE.npz"),
        (["--broadband", "w.raw", "--channels", 0], "from 1 to 4096"),
    ],
)
def test_files_that_can_not_be_written_are_refused(bundle_path, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    code, said = fails(capsys, "generate", bundle_path, "--duration", 1, *options)
    assert code == 2
    assert message in said
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_half_written(start, bundle_path, tmp_path):
    resource = pytest.importorskip("resource", reason="needs POSIX limits")

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    process = start("generate", bundle_path, "--duration", 60, "--out", tmp_path / "d.npz", preexec_fn=small_files_only)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 1
    assert "could not write" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing_half_written(start, bundle_path, tmp_path):
    process = start("generate", bundle_path, "--duration", 36_000, "--out", tmp_path / "d.npz")
    deadline = time.monotonic() + 250
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))


def written(path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


def test_what_drove_it_is_written_beside_the_spikes_and_gives_them_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("spikeloop.streamer.launch.generate.CHUNK_COUNTS", 4 * 70)  # several segments
    bundle = tiny_stream_bundle(tmp_path / "tiny", channels=CHANNELS, slow=1)
    options = ["generate", tmp_path / "tiny", "--duration", 0.3, "--seed", 2, "--json"]
    run(*options, "--condition", "constant:x=1", "--out", tmp_path / "first.npz")
    assert json.loads(capsys.readouterr().out)["condition"] == "constant:x=1"
    first = written(tmp_path / "first.npz")
    np.testing.assert_array_equal(first["condition"], np.tile([1, 0.5], (300, 1)))
    np.testing.assert_array_equal(first["spikes"], open_source(bundle, 2, "cpu").next(300, first["condition"]))
    run(*options, "--condition", f"file:{tmp_path / 'first.npz'}", "--out", tmp_path / "again.npz")
    np.testing.assert_array_equal(written(tmp_path / "again.npz")["spikes"], first["spikes"])


@pytest.mark.parametrize(("channels", "expected"), [(CHANNELS, None), ((phase_condition(50),), np.arange(128) % 50)])
def test_windows_of_a_driven_model_follow_its_stimulus_or_rest(tmp_path, channels, expected):
    tiny_stream_bundle(tmp_path / "tiny", channels=channels)
    run("generate", tmp_path / "tiny", "--windows", 4, "--out", tmp_path / "w.npz")
    got = written(tmp_path / "w.npz")
    assert got["spikes"].shape == (4, 32, 4)
    expected = np.tile([0, 0.5], (128, 1)) if expected is None else expected[:, np.newaxis]
    np.testing.assert_array_equal(got["condition"], expected)


FORMATS = [".npz", ".mat", ".nwb", ".zarr", ".parquet", ".nix", ".xdf"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("amount", [("--duration", 0.3), ("--windows", 3)])
def test_a_file_of_each_format_holds_what_python_generates(tmp_path, monkeypatch, suffix, amount):
    monkeypatch.setattr("spikeloop.streamer.launch.generate.CHUNK_COUNTS", 4 * 70)  # several segments
    bundle = tiny_stream_bundle(tmp_path / "tiny", channels=CHANNELS, slow=1)
    out = tmp_path / f"out{suffix}"
    run("generate", tmp_path / "tiny", *amount, "--seed", 2, "--condition", "constant:x=1", "--out", out)
    read = read_recording(out)
    made = spikeloop.generate(bundle, read.duration_s, 2, "constant:x=1", "cpu")
    np.testing.assert_array_equal(read.counts.reshape(made.counts.shape), made.counts)
    np.testing.assert_array_equal(read.conditions.reshape(made.conditions.shape), made.conditions)
    assert (read.channels, read.unit_names, read.provenance) == (made.channels, made.unit_names, made.provenance)
    assert read.spike_times is not None
    assert made.spike_times is not None
    np.testing.assert_array_equal(read.spike_times.times_s, made.spike_times.times_s)
    np.testing.assert_array_equal(read.spike_times.units, made.spike_times.units)
    assert read.repeats == (3 if amount[0] == "--windows" else 1)


def test_more_counts_than_memory_takes_go_to_npz_only(tmp_path, monkeypatch, bundle_path, capsys):
    monkeypatch.setattr("spikeloop.streamer.launch.generated_file.MOST_IN_MEMORY", 1000)
    code, said = fails(capsys, "generate", bundle_path, "--duration", 1, "--out", tmp_path / "w.nwb")
    assert code == 2
    assert "choose a file ending in .npz, or a shorter --duration" in said
    run("generate", bundle_path, "--duration", 1, "--out", tmp_path / "w.npz")


def test_fluorescence_is_written_as_it_is(tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "light", distribution="fluorescence")
    run("generate", tmp_path / "light", "--duration", 0.2, "--out", tmp_path / "l.npz")
    got = written(tmp_path / "l.npz")
    assert got["fluorescence"].dtype == np.float32
    assert "condition" not in got
    np.testing.assert_array_equal(got["fluorescence"], open_source(bundle, 0, "cpu").next(200))


@pytest.mark.parametrize(
    ("asked", "message"), [("lsl:hand", "lsl:STREAM is live"), ("constant:x=9", "is it in another unit?")]
)
def test_conditions_that_can_not_drive_it_are_told(tmp_path, capsys, asked, message):
    tiny_stream_bundle(tmp_path / "tiny", channels=CHANNELS)
    options = ["--duration", 1, "--out", tmp_path / "d.npz", "--condition", asked]
    code, said = fails(capsys, "generate", tmp_path / "tiny", *options)
    assert code == 2
    assert message in said
    assert not (tmp_path / "d.npz").exists()


def test_the_voltage_holds_the_spikes_of_the_same_seed(bundle_path, tmp_path, capsys):
    options = ["generate", bundle_path, "--duration", 0.5, "--seed", 3]
    run(*options, "--out", tmp_path / "s.npz")
    capsys.readouterr()
    run(*options, "--broadband", tmp_path / "v.raw", "--channels", 12, "--probe", "linear", "--lfp", 50, "--json")
    summary = json.loads(capsys.readouterr().out)
    told = json.loads((tmp_path / "v.json").read_text())
    counts, spikes = written(tmp_path / "s.npz")["spikes"], written(tmp_path / "v.npz")
    binned = np.zeros_like(counts)
    np.add.at(binned, ((spikes["times_s"] / 0.001 + 1e-9).astype(int), spikes["units"]), 1)
    np.testing.assert_array_equal(binned, counts)
    assert summary["mean_rate_hz"] == pytest.approx(counts.mean() * 1000)
    assert (summary["channels"], told["channels"], told["probe"], told["seed"]) == (12, 12, "linear", 3)
    assert told["sha256"] == load_bundle(bundle_path).sha256
    voltage = np.fromfile(tmp_path / "v.raw", "<i2").reshape(-1, 12)
    assert len(voltage) == told["samples"] == 15_000
    assert np.corrcoef(voltage[:, 0], voltage[:, -1])[0, 1] > 0.5  # the field potential


def test_fluorescence_has_no_voltage(tmp_path, capsys):
    tiny_stream_bundle(tmp_path / "light", distribution="fluorescence")
    options = ["--duration", 1, "--broadband", tmp_path / "v.raw"]
    code, said = fails(capsys, "generate", tmp_path / "light", *options)
    assert code == 2
    assert "expected a bundle of spikes" in said
    assert not (tmp_path / "v.raw").exists()


def test_ctrl_c_leaves_no_voltage_half_written(start, bundle_path, tmp_path):
    process = start("generate", bundle_path, "--duration", 36_000, "--broadband", tmp_path / "v.raw", "--channels", 4)
    deadline = time.monotonic() + 250
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_a_place_where_no_file_can_be_is_refused_before_the_work(capsys, tmp_path, monkeypatch):
    def too_late(*of: object) -> None:
        raise AssertionError("generated before the place was looked at")

    monkeypatch.setattr(Generation, "chunks", too_late)
    (tmp_path / "folder.nwb").mkdir()
    (tmp_path / "folder.raw").mkdir()
    for option, name in (("--out", "folder.nwb"), ("--broadband", "folder.raw")):
        code, message = fails(capsys, "generate", "m1-sim", "--duration", 1, option, tmp_path / name)
        assert (code, "a folder is there" in message) == (1, True), message
