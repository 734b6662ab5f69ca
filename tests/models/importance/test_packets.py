from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloop.models.errors import BadInputError
from spikeloop.models.importance.packets import packet_auc, packet_cells, packet_recall
from spikeloop.models.recordings.simulated import packets

SHAPE = (2, 5, 3)


@pytest.fixture(scope="module", params=[1, 2])
def truth(request):
    return packets(400, modes=request.param, seed=3)


@given(
    hnp.arrays(np.float64, SHAPE, elements=st.integers(0, 4).map(float)),
    hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 2)),
    hnp.arrays(np.bool_, SHAPE),
)
def test_the_auc_is_the_share_of_pairs_in_the_right_order(maps, windows, planted):
    packet_spikes = planted & (windows > 0)
    packet = maps[packet_spikes][:, np.newaxis]
    background = maps[(windows > 0) & ~planted]
    if not packet.size or not background.size:
        with pytest.raises(BadInputError, match=f"found {packet.size} and {background.size}"):
            packet_auc(maps, windows, packet_spikes)
        return
    expected = np.mean((packet > background) + 0.5 * (packet == background))
    assert packet_auc(maps, windows, packet_spikes) == pytest.approx(expected)


def test_only_the_order_of_importance_counts(truth, random):
    windows = truth.recording.counts
    maps = random.random(windows.shape) + truth.packet_spikes
    found = packet_auc(maps, windows, truth.packet_spikes)
    assert found == packet_auc(maps**3, windows, truth.packet_spikes) == 1
    assert packet_auc(-maps, windows, truth.packet_spikes) == 0
    assert packet_auc(random.random(windows.shape), windows, truth.packet_spikes) == pytest.approx(0.5, abs=0.02)


def test_the_cells_of_packets_are_the_packet_spikes(truth):
    cells = packet_cells(truth)
    assert cells.shape == (len(truth.onsets), 8, 3)
    again = np.zeros_like(truth.packet_spikes)
    again[tuple(np.moveaxis(cells, -1, 0))] = True
    np.testing.assert_array_equal(again, truth.packet_spikes)
    np.testing.assert_array_equal(cells[:, 0, :2], truth.onsets[:, :2])
    np.testing.assert_array_equal(np.diff(cells[:, :, 1]), 1)  # one bin after the other
    kinds = np.unique(np.column_stack([truth.onsets[:, 2], truth.reversed_mode, cells[:, :, 2]]), axis=0)
    assert len(kinds) == 4 * (1 + truth.reversed_mode.any())  # each kind has its own sequence of units


def test_recall_is_the_share_of_packets_whose_spikes_stand_out(truth, random):
    windows, cells = truth.recording.counts, packet_cells(truth)
    maps = random.random(windows.shape)
    # packets that share spikes with others are all found, or a found one would raise its neighbour
    shared = np.zeros(windows.shape, int)
    np.add.at(shared, tuple(np.moveaxis(cells, -1, 0)), 1)
    alone = (shared[tuple(np.moveaxis(cells, -1, 0))] == 1).all(axis=1)
    found = np.where(alone, np.arange(len(cells)) % 4 == 0, True)
    maps[truth.packet_spikes] = 0
    maps[tuple(np.moveaxis(cells[found][:, :4], -1, 0))] = 2
    maps[tuple(np.moveaxis(cells[found & ~alone], -1, 0))] = 2
    recall = packet_recall(maps, windows, truth.packet_spikes, cells)
    assert recall == pytest.approx(found.mean())
    assert packet_recall(maps, windows, truth.packet_spikes, cells[alone], needed=0.6) == 0


@pytest.mark.parametrize("false_alarms", [0.05, 0.5])
def test_without_information_as_many_packet_spikes_stand_out_as_background_spikes(truth, random, false_alarms):
    maps = random.random(truth.recording.counts.shape)
    cells = packet_cells(truth)[:, :1]  # packets of one spike
    recall = packet_recall(maps, truth.recording.counts, truth.packet_spikes, cells, false_alarms)
    assert recall == pytest.approx(false_alarms, abs=0.05)


def test_what_does_not_belong_together_is_refused(truth):
    windows, planted = truth.recording.counts, truth.packet_spikes
    maps = np.zeros(windows.shape)
    with pytest.raises(BadInputError, match="of one shape"):
        packet_auc(maps[1:], windows, planted)
    with pytest.raises(BadInputError, match="spikes of the windows"):
        packet_auc(maps, windows[::-1], planted)
    with pytest.raises(BadInputError, match="cells that hold packet spikes"):
        packet_recall(maps, windows, planted, packet_cells(truth)[:0])
    with pytest.raises(BadInputError, match="cells that hold packet spikes"):
        packet_recall(maps, windows, planted, packet_cells(truth)[:, :, [0, 1, 1]])


def test_packets_whose_order_is_not_to_be_read_are_refused():
    with pytest.raises(BadInputError, match="without jitter"):
        packet_cells(packets(100, jitter_bins=2.0, seed=1))
    truth = packets(100, seed=1)
    with pytest.raises(BadInputError, match="found .* 0] units"):
        packet_cells(replace(truth, onsets=truth.onsets + np.array([0, 1, 0])))  # a bin late
