import asyncio
import json

import numpy as np
import pytest

from spikeloop.models.errors import FailureError
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.trace_file import write_trace
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import WindowSource
from tests.support.tiny import tiny_bundle
from tests.support.voltage_arrays import sum_of_templates, synthesiser

UNITS, SEED, BINS = 6, 3, 1234


@pytest.fixture
def small(tmp_path):
    return tiny_bundle(tmp_path / "tiny", units=UNITS)


class Events:
    """A sink that keeps each spike."""

    def __init__(self):
        self.units, self.times_s = [], []

    def push(self, step):
        self.units += step.event_units.tolist()
        self.times_s += step.event_stamps_s.tolist()


def test_the_trace_is_the_sum_of_the_spikes_that_a_stream_sends(small, tmp_path):
    events = Events()
    asyncio.run(
        stream(
            WindowSource(Engine(small), SEED), [events], SimulatedClock(), Health(0.001, UNITS), RestFeed(()),
            start_s=0.0, step_bins=7, seed=SEED, bins=BINS,
        )
    )  # fmt: skip
    path, advanced = tmp_path / "t.raw", []
    source = WindowSource(Engine(small), SEED)
    many = write_trace(path, synthesiser(UNITS), source, RestFeed(()), BINS, SEED, {"bundle": "tiny"}, advanced.append)
    with np.load(tmp_path / "t.npz") as archive:
        spikes = dict(archive)
    assert sum(advanced) == BINS
    assert many == len(events.units) == len(spikes["units"]) > 100
    np.testing.assert_array_equal(spikes["units"], events.units)
    np.testing.assert_allclose(spikes["times_s"], events.times_s, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(spikes["samples"], np.rint(spikes["times_s"] * INTAN.rate_hz))
    np.testing.assert_array_equal(spikes["unit_names"], small.card.unit_names)
    trace = np.fromfile(path, "<i2").reshape(-1, 8)
    expected = sum_of_templates(
        synthesiser(UNITS), round(BINS * 0.001 * INTAN.rate_hz), spikes["units"], spikes["samples"]
    )
    np.testing.assert_array_equal(trace, expected)


def test_the_description_tells_what_a_reader_needs(small, tmp_path):
    made = synthesiser(UNITS)
    source = WindowSource(Engine(small), SEED)
    write_trace(tmp_path / "t.raw", made, source, RestFeed(()), 100, SEED, {"bundle": "tiny"}, lambda bins: None)
    told = json.loads((tmp_path / "t.json").read_text())
    assert (told["bundle"], told["rate_hz"], told["channels"], told["samples"]) == ("tiny", 30_000, 8, 3000)
    assert (tmp_path / "t.raw").stat().st_size == 3000 * 8 * 2
    np.testing.assert_array_equal(told["positions_um"], made.probe.positions_um)
    assert [unit["peak_channel"] for unit in told["units"]] == [each.peak_channel for each in made.templates]
    assert [unit["name"] for unit in told["units"]] == list(small.card.unit_names)


class Broken:
    """A source that fails after a while."""

    unit_names, bin_size_s, run_bins, dtype = ("a",), 0.001, 1, np.dtype(np.uint8)

    def __init__(self):
        self.taken = 0

    def warm_up(self): ...

    def next(self, bins, conditions=None):
        self.taken += bins
        if self.taken > 500:
            raise FailureError("the model broke")
        return np.zeros((bins, 1), np.uint8)


def test_a_failure_leaves_nothing_half_written(tmp_path):
    with pytest.raises(FailureError, match="the model broke"):
        write_trace(tmp_path / "t.raw", synthesiser(1), Broken(), RestFeed(()), 1000, 0, {}, lambda bins: None)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_files_only():
    """As on a full disk: no file may grow beyond so many bytes."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files_only")
def test_a_full_disk_is_of_the_file_that_did_not_fit(small, tmp_path):
    source = WindowSource(Engine(small), SEED)
    with pytest.raises(FailureError, match=r"could not write \S*t\.raw \("):
        write_trace(tmp_path / "t.raw", synthesiser(UNITS), source, RestFeed(()), BINS, SEED, {}, lambda bins: None)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
