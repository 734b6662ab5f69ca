"""What a client may configure, the windows in which spikes are counted, and the pulses in currents."""

from types import SimpleNamespace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.electrode_units import units_at
from spikeloop.streamer.bridges.synapse.pulses import Pulse, pulses_in
from spikeloop.streamer.bridges.synapse.signal_chain import (
    BroadbandNode,
    Electrodes,
    SpikeNode,
    StimulationNode,
    read_chain,
)
from spikeloop.streamer.bridges.synapse.spike_windows import SpikeWindows
from spikeloop.streamer.broadband.templates import Template
from spikeloop.streamer.stream.step import Step, bin_end_s

RATE_HZ = 30_000
START_S = 1000.1


class Node(SimpleNamespace):
    """In the place of `synapse.NodeConfig`."""

    id = 1

    def WhichOneof(self, group: str) -> str | None:
        return next(iter(vars(self)), None)


def channels(*places: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(id=10 + place, electrode_id=place) for place in places]


def broadband(places=(2, 0), **facts) -> Node:
    signal = SimpleNamespace(electrode=SimpleNamespace(channels=channels(*places)))
    known = {"peripheral_id": 100, "bit_width": 0, "sample_rate_hz": RATE_HZ, "signal": signal}
    return Node(broadband_source=SimpleNamespace(**(known | facts)))


def spikes(**facts) -> Node:
    known = {"peripheral_id": 101, "sample_rate_hz": 0, "spike_window_ms": 0.0, "threshold_uV": -60.0}
    electrodes = SimpleNamespace(channels=channels(1, 3))
    return Node(spike_source=SimpleNamespace(**(known | {"electrodes": electrodes} | facts)))


def stimulation(*places: int, **facts) -> Node:
    known = {"peripheral_id": 102, "sample_rate": 20_000, "lsb": 100, "channels": channels(*places)}
    return Node(electrical_stimulation=SimpleNamespace(**(known | facts)))


def test_a_chain_holds_what_was_configured():
    chain = read_chain([broadband(), spikes(), stimulation(3)], 4, RATE_HZ)
    assert chain.broadband == BroadbandNode(Electrodes((2, 0), (12, 10)), 16)
    assert chain.spikes == SpikeNode(Electrodes((1, 3), (11, 13)), 20, 60.0)
    assert chain.stimulation == StimulationNode(Electrodes((3,), (13,)), 20_000, 100)


def test_a_stimulation_that_names_no_electrodes_has_all():
    every = Electrodes((0, 1, 2, 3), (0, 1, 2, 3))
    assert read_chain([stimulation()], 4, RATE_HZ).stimulation == StimulationNode(every, 20_000, 100)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "no nodes"),
        ([Node()], "expected broadband_source, spike_source or electrical_stimulation, found None"),
        ([Node(camera=None)], "found camera"),
        ([broadband(), broadband()], "expected one broadband_source"),
        ([broadband(peripheral_id=3)], "peripheral_id: expected 100, found 3"),
        ([broadband(sample_rate_hz=16_000)], "sample_rate_hz: expected 30000, that of the stream, found 16000"),
        ([broadband(bit_width=24)], "bit_width: expected 2 to 16, found 24"),
        ([broadband(places=())], "channels: expected one or more, found none"),
        ([broadband(places=(1, 1))], "expected an id of its own for each"),
        ([broadband(places=(4,))], "electrode_id from 0 to 3, found 4"),
        ([spikes(peripheral_id=100)], "peripheral_id: expected 101"),
        ([spikes(spike_window_ms=2.5)], "spike_window_ms: expected a whole number from 1 to 1000, found 2.5"),
        ([stimulation(sample_rate=0)], "sample_rate: expected 1 to 1000000 Hz, found 0"),
        ([stimulation(lsb=0)], "lsb: expected the nA of a step"),
    ],
)
def test_what_can_not_be_had_is_refused(nodes, message):
    with pytest.raises(BadInputError, match=message):
        read_chain(nodes, 4, RATE_HZ)


def templates(*places: int) -> list[Template]:
    sizes = [100.0 if unit else 30.0 for unit in range(len(places))]
    return [
        Template(0, np.zeros((64, 1), np.int32), place, size, np.zeros(3))
        for place, size in zip(places, sizes, strict=True)
    ]


def step(first_bin: int, bins: int, events: list[tuple[int, float]]) -> Step:
    """Bins of 1 ms, with spikes of units at ms since the start."""
    units, at_ms = (np.array(each) for each in zip(*events, strict=True)) if events else (np.zeros(0, int), np.zeros(0))
    stamps_s = bin_end_s(START_S, 0.001, np.arange(first_bin, first_bin + bins))
    none = np.zeros((bins, 0), np.float32)
    return Step(
        first_bin, np.zeros((bins, 1), np.uint8), none, stamps_s, units.astype(np.int32), START_S + at_ms / 1000
    )


def test_spikes_are_counted_at_their_electrodes_in_whole_windows():
    windows = SpikeWindows(SpikeNode(Electrodes((7, 2), (0, 1)), 3, 50.0), templates(7, 7, 2, 5), START_S)
    assert windows.of(step(0, 4, [(1, 3.5)])) == []  # the first whole window begins at 6 ms
    assert windows.of(step(4, 4, [(1, 5.9), (1, 6.0), (2, 7.5)])) == []
    (first,) = windows.of(step(8, 1, [(0, 8.2), (3, 8.5), (1, 8.999)]))  # unit 0 is too small, unit 3 elsewhere
    assert (first.number, first.counts.tolist()) == (2, [2, 1])
    second, third = windows.of(step(9, 7, [(2, 9.0), (1, 14.9), (2, 15.0)]))
    assert [(each.number, each.counts.tolist()) for each in (second, third)] == [(3, [0, 1]), (4, [1, 0])]


def test_a_window_that_reaches_into_a_step_that_was_left_out_has_no_counts():
    windows = SpikeWindows(SpikeNode(Electrodes((7,), (0,)), 3, 50.0), templates(5, 7), START_S)
    assert [each.number for each in windows.of(step(0, 3, []))] == []
    assert [(each.number, each.counts.tolist()) for each in windows.of(step(3, 4, [(1, 4.5), (1, 6.5)]))] == [(1, [1])]
    assert windows.of(step(10, 3, [(1, 10.5)])) == []  # bins 7 to 9 never came, of windows 2 and 3
    assert windows.of(step(13, 2, [(1, 13.5)])) == []  # window 4 was not counted from its beginning
    assert [(each.number, each.counts.tolist()) for each in windows.of(step(15, 3, [(1, 16.5)]))] == [(5, [1])]


def test_each_run_of_negative_current_is_a_pulse():
    node = StimulationNode(Electrodes((6, 1), (0, 1)), 20_000, 500)
    currents = np.zeros((100, 2), np.int16)
    currents[10:14, 1], currents[16:20, 1] = -20, 20  # with a gap between its phases
    currents[0:2, 0], currents[2:5, 0] = 30, -30  # anodic first
    currents[98:, 0] = [-1, -4]
    expected = [
        Pulse(6, 2 / 20_000, 15.0, 150.0),
        Pulse(1, 10 / 20_000, 10.0, 200.0),
        Pulse(6, 98 / 20_000, 2.0, 100.0),
    ]
    np.testing.assert_allclose(pulses_in(currents, node), expected)
    assert pulses_in(np.zeros((0, 2), np.int16), node) == []


def test_a_stimulus_reaches_the_units_nearest_to_its_electrodes():
    assert units_at(templates(7, 7, 2, 5), [7, 5]) == (0, 1, 3)
    assert units_at(templates(7), [3]) == ()
