"""NAME-Broadband at a real LSL inlet in another process, at the far end of a stream on the wall clock."""

import asyncio
import threading
from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband import sink as broadband_sink
from spikeloop.streamer.broadband.amplifier import INTAN
from spikeloop.streamer.broadband.noise import TYPICAL
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.sink import BroadbandSink
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.lsl.description import Provenance
from spikeloop.streamer.stream.clock import WallClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import WindowSource
from spikeloop.streamer.stream.step import Step, bin_end_s
from tests.support.places import SUPPORT
from tests.support.tiny import tiny_bundle, tiny_stream_card
from tests.support.voltage_arrays import in_blocks, synthesiser

CONSUMER = SUPPORT / "lsl_consumer.py"
UNITS, BIN_S, STEP_BINS = 6, 0.001, 20


def provenance(start_s: float, step_bins: int = STEP_BINS) -> Provenance:
    return Provenance("tiny", "0" * 64, 0, BIN_S, step_bins, start_s)


def step_of(first_bin: int, start_s: float = 0.0, bins: int = STEP_BINS, places=()) -> Step:
    """A step with spikes of unit 0 at these samples."""
    return Step(
        first_bin,
        np.zeros((bins, UNITS), np.uint8),
        np.zeros((bins, 0), np.float32),
        bin_end_s(start_s, BIN_S, first_bin + np.arange(bins)),
        np.zeros(len(places), np.int32),
        start_s + np.array(places, float) / INTAN.rate_hz,
    )


@pytest.fixture
def roomy(monkeypatch):
    """Room for every step of a test, however busy the machine."""
    monkeypatch.setattr(broadband_sink, "QUEUE_S", 60.0)


class Kept:
    """A sink that keeps each spike."""

    def __init__(self):
        self.units, self.times_s = [], []

    def push(self, step):
        self.units += step.event_units.tolist()
        self.times_s += step.event_stamps_s.tolist()


async def streamed(name: str, bins: int, tmp_path, artefact: bool = False) -> tuple[Kept, float]:
    """A second or so of a stream with its trace; the spikes and the start."""
    bundle = tiny_bundle(tmp_path / "tiny", units=UNITS)
    clock = WallClock(pylsl.local_clock)
    start_s = clock.now()
    kept = Kept()
    async with BroadbandSink(name, synthesiser(UNITS, levels=TYPICAL), provenance(start_s)) as sink:
        if artefact:
            sink.artefact(None, start_s + 0.4, 5000.0)
        while not sink.has_consumers():
            await asyncio.sleep(0.01)
        await stream(
            WindowSource(Engine(bundle), 0), [kept, sink], clock, Health(BIN_S, UNITS), RestFeed(()),
            start_s=start_s, step_bins=STEP_BINS, seed=0, bins=bins,
        )  # fmt: skip
        assert sink.has_consumers()
        assert sink.dropped == 0
    return kept, start_s


def test_an_inlet_in_another_process_receives_every_sample_with_every_spike(start, stream_name, tmp_path, roomy):
    out = tmp_path / "got.npz"
    consumer = start(f"{stream_name}-Broadband", 30, out, script=CONSUMER)
    kept, start_s = asyncio.run(streamed(stream_name, 1010, tmp_path))
    _, errors = consumer.communicate(timeout=280)
    assert consumer.returncode == 0, errors
    with np.load(out) as archive:
        samples, stamps, arrivals = archive["samples"], archive["stamps"], archive["arrivals"]
        description = ElementTree.fromstring(str(archive["description"]))
    units, times_s = np.array(kept.units, np.int32), np.array(kept.times_s) - start_s
    assert len(units) > 100
    expected = in_blocks(synthesiser(UNITS, levels=TYPICAL), [1010 * 30], units, times_s)
    np.testing.assert_array_equal(samples, expected)
    numbers = (stamps - start_s) * INTAN.rate_hz
    np.testing.assert_allclose(numbers, np.arange(1010 * 30), atol=0.01)
    assert (arrivals >= stamps).all()

    assert description.findtext("type") == "Broadband"
    assert description.findtext("channel_format") == "int16"
    assert float(description.findtext("nominal_srate") or 0) == INTAN.rate_hz
    channels = description.findall("desc/channels/channel")
    assert len(channels) == 8
    assert {each.findtext("unit") for each in channels} == {"uV"}
    assert float(channels[0].findtext("scaling_factor") or 0) == INTAN.microvolts_per_bit
    places = [(float(each.findtext("location/X") or -1), float(each.findtext("location/Y") or -1)) for each in channels]
    np.testing.assert_allclose(np.array(places) * 1000, synthesiser(UNITS).probe.positions_um)
    assert float(description.findtext("desc/spikeloop/start_s") or 0) == start_s
    assert description.findtext("desc/spikeloop/bundle") == "tiny"


def test_an_artefact_is_on_the_trace_at_its_time(start, stream_name, tmp_path, roomy):
    out = tmp_path / "got.npz"
    consumer = start(f"{stream_name}-Broadband", 30, out, script=CONSUMER)
    _, start_s = asyncio.run(streamed(stream_name, 600, tmp_path, artefact=True))
    _, errors = consumer.communicate(timeout=280)
    assert consumer.returncode == 0, errors
    with np.load(out) as archive:
        samples, stamps = archive["samples"], archive["stamps"]
    jump = int(np.abs(np.diff(samples[:, 0].astype(int))).argmax()) + 1
    assert stamps[jump] - start_s == pytest.approx(0.4, abs=1 / INTAN.rate_hz)
    assert samples[jump].min() * INTAN.microvolts_per_bit > 4000


class Slow:
    """A synthesiser that waits until it is told to go on."""

    def __init__(self):
        self.go = threading.Event()
        self.made = synthesiser(UNITS)
        self.probe, self.amplifier, self.blocks = self.made.probe, self.made.amplifier, []

    def block(self, first_sample, samples, units, times_s):
        self.go.wait()
        self.blocks.append((first_sample, samples))
        return self.made.block(first_sample, samples, units, times_s)


async def test_the_stream_never_waits_and_the_oldest_steps_are_dropped(stream_name):
    slow = Slow()
    async with BroadbandSink(stream_name, slow, provenance(0.0)) as sink:  # type: ignore[arg-type]
        sink.push(step_of(0))
        while sink._steps.qsize():  # the thread takes it
            await asyncio.sleep(0.01)
        for number in range(1, 200):
            sink.push(step_of(number * STEP_BINS))
        dropped = sink.dropped
        slow.go.set()
    assert dropped == 149  # 50 are a second
    firsts = [first for first, _ in slow.blocks]
    assert firsts == [0, *((np.arange(150, 200) * 600 - INTAN.before).tolist()), 200 * 600 - INTAN.before]
    assert slow.blocks[-1] == (200 * 600 - INTAN.before, INTAN.before)


async def test_a_waveform_that_begins_before_its_step_is_whole(stream_name):
    seen = []

    class Tap:
        def __init__(self):
            self.made = synthesiser(UNITS)
            self.probe, self.amplifier = self.made.probe, self.made.amplifier

        def block(self, *arguments):
            seen.append(self.made.block(*arguments))
            return seen[-1]

    async with BroadbandSink(stream_name, Tap(), provenance(0.0)) as sink:  # type: ignore[arg-type]
        sink.push(step_of(0))
        sink.push(step_of(STEP_BINS, places=[600, 1199]))  # its first and its last sample
        sink.push(step_of(2 * STEP_BINS))
    template = synthesiser(UNITS).templates[0]
    got = np.concatenate(seen)[:, template.peak_channel]
    shape = template.waveform[:, template.peak_channel - template.first_channel]
    assert len(got) == 1800
    np.testing.assert_array_equal(got[600 - INTAN.before :][: len(shape)], shape)
    np.testing.assert_array_equal(got[1199 - INTAN.before :][: len(shape)], shape)


async def test_a_failure_in_the_thread_is_told_at_the_end(stream_name):
    class Broken:
        probe, amplifier = synthesiser(UNITS).probe, INTAN

        def block(self, *arguments):
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        async with BroadbandSink(stream_name, Broken(), provenance(0.0)) as sink:  # type: ignore[arg-type]
            sink.push(step_of(0))
            sink.push(step_of(STEP_BINS))


async def test_pushing_does_not_block_the_event_loop(blockbuster, stream_name):
    sink = BroadbandSink(stream_name, synthesiser(UNITS), provenance(0.0))
    for number in range(100):
        sink.push(step_of(number * STEP_BINS))
    assert sink.dropped == 50


def test_opening_is_by_the_seed_and_refuses_light():
    card = tiny_stream_card(UNITS)
    first, again, other = (open_broadband(card, seed, VoltageOptions(probe="linear", channels=4)) for seed in (4, 4, 5))
    none = np.zeros(0, np.int32), np.zeros(0)
    np.testing.assert_array_equal(first.block(0, 3000, *none), again.block(0, 3000, *none))
    assert not np.array_equal(first.block(0, 3000, *none), other.block(0, 3000, *none))
    assert not np.array_equal(first.templates[0].position_um, other.templates[0].position_um)
    assert first.probe.channels == 4
    with pytest.raises(BadInputError, match="fluorescence"):
        open_broadband(tiny_stream_card(UNITS, distribution="fluorescence"), 4)
