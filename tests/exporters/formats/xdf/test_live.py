from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.streamer.lsl.description import Provenance, channel, write_description

SIZE = 0.02


def described(name, kind, channels, rate_hz, form):
    """What LabRecorder gets from a live stream of spikeloop."""
    info = pylsl.StreamInfo(name, kind, len(channels), rate_hz, form, name)
    write_description(info, channels, Provenance("bundle", "0" * 64, 1, SIZE, 5, 100.0))
    return ElementTree.fromstring(info.as_xml())


def test_live_streams_are_read_from_the_file_that_records_them(tmp_path, random):
    counts, conditions = random.integers(0, 3, (50, 2)), random.random((50, 1)).astype(np.float32)
    stamps = 100.0 + np.arange(1, 51) * SIZE
    with XdfWriter(tmp_path / "live.xdf") as writer:
        units = [channel(label, "count", "spikes") for label in ("ch 1", "ch 2")]
        spikes = writer.add_stream(described("live", "Spikes", units, 1 / SIZE, "float32"))
        driving = [channel("velocity x", "cm/s", "condition")]
        driven = writer.add_stream(described("live-Condition", "Condition", driving, 1 / SIZE, "float32"))
        events = [channel("unit", "index", "event")]
        spike_events = writer.add_stream(described("live-Events", "SpikeEvents", events, 0.0, "int32"))
        writer.add_samples(spikes, counts, stamps)
        writer.add_samples(driven, conditions[2:], stamps[2:])  # begins to be recorded later
        bins, units_of = np.nonzero(counts)
        writer.add_samples(spike_events, units_of[:, np.newaxis], stamps[bins] - SIZE / 2)
    recording = read_recording(tmp_path / "live.xdf")
    assert recording.unit_names == ("ch 1", "ch 2")
    assert recording.bin_size_s == SIZE
    assert [(driver.name, driver.unit) for driver in recording.channels] == [("velocity x", "cm/s")]
    np.testing.assert_array_equal(recording.counts[0], counts[2:])
    np.testing.assert_allclose(recording.conditions[0], conditions[2:], rtol=1e-5)
    assert recording.starts_s == pytest.approx((100.0 + 2 * SIZE,))
    from_events = read_recording(tmp_path / "live.xdf", SIZE, key="live-Events", start_s=100.0, stop_s=101.0)
    np.testing.assert_array_equal(from_events.counts[0], counts[2:] > 0)
    assert from_events.unit_names == ("ch 1", "ch 2")
    np.testing.assert_allclose(from_events.conditions[0], conditions[2:], rtol=1e-5)
