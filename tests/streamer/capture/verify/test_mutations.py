"""Whatever one thing is changed in a file that was written, it is no longer all that its header says."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.formats.zarr import write_group
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from tests.support.sent import flipped, sent, write_xdf
from tests.support.tiny import tiny_stream_bundle

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
HEADER = {
    "bundle": "other", "sha256": "0" * 64, "seed": 5, "bin_size_s": 0.002, "start_s": 0.0004, "condition": "garbage",
    "latency_bins": 3, "signal": "fluorescence",
}  # fmt: skip


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("driven") / "tiny", channels=CHANNELS, slow=1)


@pytest.fixture(scope="module")
def made(driven):
    return spikeloop.generate(driven, 0.2, 4, "constant:x=1", "cpu")


def agrees(path: Path, bundle: Any) -> bool:
    """A file that can't be read, or does not say what made it, is not said to agree either."""
    try:
        return spikeloop.verify(path, bundle, "cpu").agrees
    except BadInputError:
        return False


@pytest.mark.parametrize("fact", HEADER)
@pytest.mark.parametrize("suffix", [".npz", ".nwb", ".xdf", ".zarr", ".parquet", ".nix"])
def test_a_changed_fact_of_the_header_is_found_in_every_format(driven, made, tmp_path, suffix, fact):
    path = tmp_path / f"x{suffix}"
    spikeloop.write_recording(replace(made, provenance=replace(made.provenance, **{fact: HEADER[fact]})), path)
    assert not agrees(path, driven)


@pytest.mark.parametrize("condition", ["constant:x=0.5", "rest", "phase", "file:", "constant", "lsl", "", "steered:so"])
def test_other_words_for_the_condition_are_found(driven, made, tmp_path, condition):
    said = replace(made.provenance, condition=condition)
    spikeloop.write_recording(replace(made, provenance=said), tmp_path / "x.npz")
    assert not agrees(tmp_path / "x.npz", driven)


def moved(values: np.ndarray, at: Any, by: float) -> np.ndarray:
    changed = np.array(values)
    changed[at] += by
    return changed


def changes(made: Any) -> dict[str, Any]:
    """The recording with one value changed."""
    times = made.spike_times
    return {
        "a count": replace(made, counts=moved(made.counts, (0, 50, 1), 1), spike_times=None),
        "a condition": replace(made, driven_by=moved(made.driven_by, (0, 50, 1), 1e-3)),
        "all conditions": replace(made, driven_by=made.driven_by + np.float32(1e-3)),
        "a spike's time": replace(made, spike_times=replace(times, times_s=moved(times.times_s, 7, 1e-6))),
        "all spikes' times": replace(made, spike_times=replace(times, times_s=times.times_s + 1e-9)),
        "the pace of spikes' times": replace(made, spike_times=replace(times, times_s=times.times_s * (1 + 1e-7))),
        "the start": replace(made, starts_s=(1e-5,)),
        "a unit's name": replace(made, unit_names=("other", *made.unit_names[1:])),
        "two units": replace(made, unit_names=(made.unit_names[1], made.unit_names[0], *made.unit_names[2:])),
        "a channel's name": replace(made, channels=(replace(CHANNELS[0], name="z"), CHANNELS[1])),
    }


CHANGES = [
    "a count", "a condition", "all conditions", "a spike's time", "all spikes' times", "the pace of spikes' times",
    "the start", "a unit's name", "two units", "a channel's name",
]  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("suffix", [".npz", ".nwb", ".xdf", ".zarr", ".parquet", ".nix"])
def test_a_changed_value_is_found_in_every_format(driven, made, tmp_path, suffix, what):
    path = tmp_path / f"x{suffix}"
    spikeloop.write_recording(changes(made)[what], path)
    assert not agrees(path, driven)


@pytest.fixture(scope="module")
def arrays(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "x.npz"
    spikeloop.write_recording(made, path)
    with np.load(path) as file:
        return dict(file)


NOT_CHECKED = ("name", "origin")


@pytest.mark.parametrize("suffix", [".npz", ".zarr"])
def test_a_changed_array_is_found(driven, arrays, tmp_path, suffix):
    """Each array in turn, by its smallest change."""
    missed = []
    for name, value in arrays.items():
        changed = "x" + str(value) if value.dtype.kind == "U" and not value.shape else value
        if value.dtype.kind in "iuf":
            changed = np.array(value)
            changed.reshape(-1)[0] += 1
        elif value.dtype.kind == "b":
            changed = ~value
        elif value.shape:
            changed = np.array(["x" + text for text in value.tolist()])
        path = tmp_path / f"{name}{suffix}"
        wrong = arrays | {name: np.asarray(changed)}
        if suffix == ".npz":
            np.savez(path, **wrong)
        else:
            write_group(path, lambda group, wrong=wrong: fill(group, wrong))
        missed += [name] if agrees(path, driven) else []
    assert set(missed) <= set(NOT_CHECKED)


def fill(group: Any, arrays: dict[str, np.ndarray]) -> None:
    from spikeloop.exporters.formats.zarr import add_texts

    for name, value in arrays.items():
        add_texts(group, name, value) if value.dtype.kind == "U" else group.create_dataset(name, data=value)


def test_what_an_nwb_file_says_in_the_standards_own_places_is_checked(driven, made, tmp_path):
    import h5py

    spikeloop.write_recording(made, tmp_path / "whole.nwb")
    counts, condition = "processing/ecephys/binned_spikes/starting_time", "processing/behavior/x/starting_time"
    about = "general/spikeloop"

    def other(path: str, change: Any) -> Any:
        def apply(file: Any) -> None:
            file[path][...] = change(file[path][()])

        return apply

    def stated(path: str, name: str, value: Any) -> Any:
        def apply(file: Any) -> None:
            assert file[path].attrs[name] != value
            file[path].attrs[name] = value

        return apply

    mutations = {
        "start of counts": other(counts, lambda at: at + 1e-4),
        "rate of counts": stated(counts, "rate", 1001.0),
        "start of a condition": other(condition, lambda at: at + 1e-4),
        "rate of a condition": stated(condition, "rate", 999.0),
        "seed": stated(about, "seed", "5"),
        "bundle": stated(about, "bundle", "other"),
        "sha256": stated(about, "sha256", "0" * 64),
        "condition": stated(about, "condition", "rest"),
    }
    for what, mutate in mutations.items():
        path = tmp_path / f"{what}.nwb"
        path.write_bytes((tmp_path / "whole.nwb").read_bytes())
        with h5py.File(path, "a") as file:
            mutate(file)
        assert not agrees(path, driven), what
    assert agrees(tmp_path / "whole.nwb", driven)


@pytest.mark.parametrize("column", ["repeat", "time", "x"])
def test_what_columns_of_a_parquet_table_say_is_checked(driven, made, tmp_path, column):
    import pyarrow
    import pyarrow.parquet

    spikeloop.write_recording(made, tmp_path / "x.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    place = table.column_names.index(column)
    values = table.column(column).to_numpy().copy()
    values[30:] = values[30:] + values.dtype.type(1 if column == "repeat" else 1e-4)
    other = table.set_column(place, table.field(column), pyarrow.array(values))
    pyarrow.parquet.write_table(other, tmp_path / "other.parquet")
    assert not agrees(tmp_path / "other.parquet", driven)


TIMES_OF_NIX = re.compile(r"irregularlysampledsignal\.\w+\.0/dimensions/1/ticks$|epoch\.\w+\.(times|durations)/data$")


def test_what_signals_and_epochs_of_a_nix_file_say_is_checked(driven, made, tmp_path):
    import h5py

    spikeloop.write_recording(made, tmp_path / "x.nix")
    paths: list[str] = []
    with h5py.File(tmp_path / "x.nix") as whole:
        data: Any = whole["data"]
        data.visit(lambda path: paths.append(f"data/{path}") if TIMES_OF_NIX.search(path) else None)
    assert len(paths) == 4
    for path in paths:
        (tmp_path / "other.nix").write_bytes((tmp_path / "x.nix").read_bytes())
        with h5py.File(tmp_path / "other.nix", "a") as opened:
            file: Any = opened
            file[path][...] = file[path][()] + 1e-4
        assert not agrees(tmp_path / "other.nix", driven), path


def test_a_beside_stream_of_another_seed_is_named(driven, tmp_path):
    found = sent(driven, 7, 100, asked="constant:1,0")
    write_xdf(tmp_path / "live.xdf", found)
    content = (tmp_path / "live.xdf").read_bytes()
    place = content.index(b"<seed>7</seed>", content.index(b"<name>sent-Events</name>"))
    (tmp_path / "live.xdf").write_bytes(content[:place] + b"<seed>8</seed>" + content[place + 14 :])
    (stream,) = spikeloop.verify(tmp_path / "live.xdf", driven, "cpu").streams
    assert not stream.agrees
    assert any("sent-Events was left out" in problem and "seed 8" in problem for problem in stream.problems)


ACTS = (
    (10, lambda steering, now_s: steering.set_gain(0.5)),
    (20, lambda steering, now_s: steering.stimulate("all", 40.0, pulses=4, rate_hz=200, at_s=now_s)),
    (60, lambda steering, now_s: steering.set_gain(0.25)),
)


def live(driven: Any, path: Path, kept: slice, first_step: int = 0) -> Any:
    found = sent(driven, 7, 100, asked="constant:1,0", acts=ACTS)
    assert [json.loads(json.dumps(marker))["act"] for marker in found.markers] == [1, 2, 3]
    found.markers[:] = found.markers[kept]
    found.steps[:] = found.steps[first_step:]
    write_xdf(path, found)
    (stream,) = spikeloop.verify(path, driven, "cpu").streams
    return stream


def test_acts_before_the_recording_are_noted_and_named_as_the_cause(driven, tmp_path):
    assert live(driven, tmp_path / "whole.xdf", slice(None)).agrees
    stream = live(driven, tmp_path / "later.xdf", slice(2, None), first_step=8)
    assert not stream.agrees
    assert stream.notes == ("acts 1 to 2 on the stream came before the recording",)
    assert any(problem.endswith("what they did is not known, and may be why") for problem in stream.problems)


def test_lost_acts_are_named(driven, tmp_path):
    stream = live(driven, tmp_path / "lost.xdf", slice(0, 3, 2))
    assert not stream.agrees
    assert "act 2 on the stream is missing" in stream.problems


def test_where_no_act_came_after_the_recording_began_those_before_are_possible_causes(driven, tmp_path):
    stream = live(driven, tmp_path / "late.xdf", slice(3, None), first_step=14)
    assert not stream.agrees
    assert any("before bin 70" in problem and "may be why" in problem for problem in stream.problems)


def test_a_lost_stream_of_markers_is_named_and_of_a_stream_without_them_it_is_not(driven, tmp_path):
    steered = sent(driven, 7, 100, asked="constant:1,0", acts=ACTS)
    steered.markers.clear()
    plain = sent(driven, 7, 100, asked="constant:1,0")
    for name, found in (("steered", steered), ("plain", flipped(plain, 3, 0, 1))):
        write_xdf(tmp_path / f"{name}.xdf", found, marked=False)
        (stream,) = spikeloop.verify(tmp_path / f"{name}.xdf", driven, "cpu").streams
        assert not stream.agrees
        assert any("no markers" in problem for problem in stream.problems) == (name == "steered")
