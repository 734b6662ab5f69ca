"""Sessions in files: the trials as intervals, and spikes that can be made again."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import spikeloop
from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.formats.xdf.header import stream_header
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.exporters.sessions.nwb import write_recorded_nwb
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.experiment.record import BLOCKS
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.real_time.outlets import CURSOR_CHANNELS
from spikeloop.streamer.closedloop.results.saved import block_ends_s
from tests.support.tiny import tiny_stream_bundle

CHANNELS = (Condition("velocity x", "cm/s", -40.0, 40.0), Condition("velocity y", "cm/s", -40.0, 40.0))
BRIEF: dict[str, Any] = {"trials": 3, "calibration_s": 10, "seeds": (5,), "recalibrate_after": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    folder = tmp_path_factory.mktemp("moved") / "tiny"
    return tiny_stream_bundle(folder, channels=CHANNELS, slow=1, bin_size_s=0.02, units=6)


@pytest.fixture(scope="module")
def result(bundle) -> Any:
    perturbations = ("drop:0.5", "loss:0.1", "noise:5")  # by which the decoder's counts are others
    return spikeloop.closed_loop(["oracle"], bundle=bundle, perturbations=perturbations, **BRIEF)


@pytest.mark.parametrize("suffix", [".npz", ".nwb"])
def test_the_spikes_of_a_saved_session_agree(result, bundle, tmp_path, suffix):
    result.save(tmp_path / f"session{suffix}")
    (stream,) = spikeloop.verify(tmp_path / f"session{suffix}", bundle, "cpu").streams
    bins = sum(len(block.counts) for block in result.runs[0].record.blocks)
    assert stream.agrees, stream.problems
    assert (stream.bins, stream.condition_bins, stream.seed) == (bins, bins, 5)
    assert stream.spikes


def test_a_changed_count_is_found(result, bundle, tmp_path):
    result.save(tmp_path / "session.npz")
    with np.load(tmp_path / "session.npz") as saved:
        arrays = dict(saved)
    arrays["0-5/population/spikes"][0, 77, 3] ^= 1
    np.savez(tmp_path / "count.npz", **arrays)
    (stream,) = spikeloop.verify(tmp_path / "count.npz", bundle, "cpu").streams
    assert stream.first_difference is not None
    assert (stream.differing_bins, stream.first_difference.bin, stream.first_difference.index) == (1, 77, 3)


def test_several_sessions_are_verified_each(bundle, tmp_path):
    options: dict[str, Any] = {**BRIEF, "seeds": (1, 2)}
    several = spikeloop.closed_loop(["oracle", "kalman"], bundle=bundle, keep_bins=True, **options)
    several.save(tmp_path / "all.npz")
    verified = spikeloop.verify(tmp_path / "all.npz", bundle, "cpu")
    assert [(stream.name, stream.agrees) for stream in verified.streams] == [
        ("0-1", True), ("0-2", True), ("1-1", True), ("1-2", True),
    ]  # fmt: skip
    with pytest.raises(BadInputError, match="an NWB file holds one session, .* found 2 decoders and 2 sessions"):
        several.save(tmp_path / "all.nwb")


def test_only_sessions_whose_bins_are_kept_are_in_the_file(bundle, tmp_path):
    options: dict[str, Any] = {**BRIEF, "seeds": (1, 2)}
    spikeloop.closed_loop(["oracle"], bundle=bundle, **options).save(tmp_path / "first.npz")
    assert [stream.name for stream in spikeloop.verify(tmp_path / "first.npz", bundle, "cpu").streams] == ["0-1"]


def test_trials_are_intervals_on_the_clock_of_the_spikes(result, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    result.save(tmp_path / "session.npz")
    result.save(tmp_path / "session.nwb")
    record = result.runs[0].record
    with np.load(tmp_path / "session.npz") as saved, pynwb.NWBHDF5IO(tmp_path / "session.nwb") as file:
        session = file.read()
        table = session.trials.to_dataframe()
        assert len(table) == len(record.trials) == 5
        np.testing.assert_array_equal(table["start_time"], saved["0-5/trials/start_s"])
        np.testing.assert_array_equal(table["stop_time"], saved["0-5/trials/stop_s"])
        assert list(table["outcome"]) == [trial.outcome for trial in record.trials]
        first = {block.name: sum(len(b.counts) for b in record.blocks[:n]) for n, block in enumerate(record.blocks)}
        for start_s, trial in zip(table["start_time"], record.trials, strict=True):
            assert start_s == pytest.approx((first[trial.block] + trial.appeared_bin + 1) * 0.02)
        cursor = session.processing["behavior"]["Position"]["cursor"]
        position = np.concatenate([block.position for block in record.blocks])
        np.testing.assert_array_equal(cursor.data[:], position)
        assert (cursor.rate, cursor.starting_time) == (50.0, 0.02)
        metadata = session.lab_meta_data["spikeloop"]
        assert (metadata.bundle, metadata.seed) == ("tiny", "5")


def test_pynwb_finds_nothing_wrong_and_the_inspector_nothing_critical(result, tmp_path):
    pynwb, inspector = pytest.importorskip("pynwb"), pytest.importorskip("nwbinspector")
    result.save(tmp_path / "session.nwb")
    assert not pynwb.validate(path=str(tmp_path / "session.nwb"))
    least = inspector.Importance.CRITICAL
    assert not list(inspector.inspect_nwbfile(nwbfile_path=tmp_path / "session.nwb", importance_threshold=least))


def test_the_population_of_a_session_reads_back_as_a_recording(result, tmp_path):
    result.save(tmp_path / "session.nwb")
    read = spikeloop.read_recording(tmp_path / "session.nwb")
    generated = result.runs[0].generated
    np.testing.assert_array_equal(read.counts[0], generated.counts)
    np.testing.assert_array_equal(read.conditions[0], generated.conditions)
    assert [channel.name for channel in read.channels] == ["velocity x", "velocity y"]


@pytest.mark.parametrize(
    ("task", "outcomes"),
    [
        (None, {"success"}),
        (CenterOut(timeout_s=0.9), {"timeout"}),
        (CenterOut(distance_cm=1.0, hold_s=0.1), {"success"}),  # targets appear under the cursor
    ],
)
def test_a_recorded_session_has_the_same_trials_and_cursor_in_nwb_as_a_saved_one(task, outcomes, result, tmp_path):
    pynwb = pytest.importorskip("pynwb")
    options: dict[str, Any] = BRIEF | {"trials": 6}
    if task is not None:
        result = spikeloop.closed_loop(["oracle"], bundle="m1-sim", task=task, **options)
    result.save(tmp_path / "saved.nwb")
    write_as_recorded(tmp_path / "recorded.xdf", result.runs[0])
    write_recorded_nwb(tmp_path / "recorded.xdf", tmp_path / "recorded.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "saved.nwb") as one, pynwb.NWBHDF5IO(tmp_path / "recorded.nwb") as other:
        saved, recorded = one.read(), other.read()
        trials = saved.trials.to_dataframe()
        assert set(trials["outcome"]) == outcomes
        pd.testing.assert_frame_equal(trials, recorded.trials.to_dataframe())
        ours, theirs = (session.processing["behavior"].data_interfaces for session in (saved, recorded))
        assert {*ours} - {"velocity x", "velocity y", "intended_velocity"} == {*theirs}
        places = [(ours["Position"][name], theirs["Position"][name]) for name in ("cursor", "target")]
        others = [(ours[name], theirs[name]) for name in theirs if name != "Position"]
        for series, same in places + others:
            np.testing.assert_array_equal(series.data[:], same.data[:])
            assert (series.unit, series.conversion) == (same.unit, same.conversion)
            assert same.starting_time == pytest.approx(series.starting_time)
            assert same.rate == pytest.approx(series.rate)


def write_as_recorded(path, run) -> None:
    """Write what a session sends over LSL as NAME-Cursor and NAME-Markers."""
    ends_s, targets = block_ends_s(run), {trial.index: trial.target for trial in run.record.trials}
    with XdfWriter(path) as writer:
        channels = [{"label": label, "unit": unit} for label, unit in CURSOR_CHANNELS]
        cursor = writer.add_stream(stream_header("lab-Cursor", "Cursor", channels, 50.0, "double64", {}))
        markers = writer.add_stream(stream_header("lab-Markers", "Markers", [{"label": "marker"}], 0.0, "string", {}))
        for block in run.record.blocks:
            widths = [targets[trial].width_cm if trial >= 0 else np.nan for trial in block.trial.tolist()]
            width = np.where(np.isfinite(block.target[:, 0]), widths, np.nan)
            numbers = np.full(len(width), BLOCKS.index(block.name))
            shown = np.column_stack([block.position, block.velocity, block.target, width, numbers])
            writer.add_samples(cursor, shown, ends_s[block.name])
            for name, event in run.record.events:
                if name == block.name:
                    target = targets[event.trial]
                    place = {"x_cm": target.place_cm[0], "y_cm": target.place_cm[1], "width_cm": target.width_cm}
                    document = {"event": event.kind, "block": name, "trial": event.trial, "target": place}
                    stamp_s = ends_s[name][min(event.bin, len(block.counts) - 1)]
                    writer.add_samples(markers, [[json.dumps(document)]], [stamp_s])
