"""Planted packets found again: how well importance maps separate packet spikes from background spikes.

Packets are sequences of spikes that were planted in simulated windows (Molano-Mazon et al. 2018, section 3.3, which
shows maps of them; see `recordings.simulated.packets`).
"""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Windows
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.simulated import PacketTruth

__all__ = ["packet_auc", "packet_cells", "packet_recall"]

FALSE_ALARMS = 0.05  # share of the background spikes that stand out
NEEDED = 0.5  # share of a packet's spikes that have to stand out

Maps = NDArray[np.float64]
PacketSpikes = NDArray[np.bool_]
Cells = NDArray[np.int64]


def packet_auc(maps: Maps, windows: Windows, packet_spikes: PacketSpikes) -> float:
    """Probability that a packet spike is more important than a background spike; ties count half.

    That is the area under the ROC curve, by ranks (Hanley and McNeil 1982): 0.5 by chance, 1 where every packet spike
    is more important than every background spike.

    Parameters
    ----------
    maps : importance, of shape (windows, bins, units)
    windows : of the same shape
    packet_spikes : of the same shape, True where a spike belongs to a packet

    Raises
    ------
    BadInputError
        If shapes differ, packet spikes are not spikes of the windows, or there are spikes of one kind only.
    """
    from scipy.stats import mannwhitneyu

    packet, background = _split(maps, windows, packet_spikes)
    return float(mannwhitneyu(packet, background).statistic / (len(packet) * len(background)))


def packet_recall(
    maps: Maps,
    windows: Windows,
    packet_spikes: PacketSpikes,
    cells: Cells,
    false_alarms: float = FALSE_ALARMS,
    needed: float = NEEDED,
) -> float:
    """Share of the planted packets that stand out of the background.

    A spike stands out where it is more important than all but a share `false_alarms` of the background spikes, a packet
    where at least a share `needed` of its spikes do. Spikes that two packets share count for both.

    Parameters
    ----------
    maps, windows, packet_spikes : as in `packet_auc`
    cells : of `packet_cells`, (packets, spikes, 3)

    Raises
    ------
    BadInputError
        As `packet_auc`, and if there is no packet, or one's cells hold no packet spikes.
    """
    _, background = _split(maps, windows, packet_spikes)
    window, bin_, unit = np.moveaxis(cells, -1, 0)
    if not len(cells) or not packet_spikes[window, bin_, unit].all():
        raise BadInputError(f"expected cells that hold packet spikes, found {len(cells)} packets, or empty cells")
    threshold = np.quantile(background, 1 - false_alarms)
    stand_out = (maps[window, bin_, unit] > threshold).mean(axis=1)
    return float(np.mean(stand_out >= needed))


def packet_cells(truth: PacketTruth, packet_size: int = 8) -> Cells:
    """Where the spikes of each planted packet are, in the order of its onsets.

    Which unit comes when is read from the spikes: the one that fires so many bins after every onset of that packet in
    that mode. So packets must have no jitter, and come often enough that nothing else does.

    Returns
    -------
    array of shape (planted packets, packet_size, 3): window, bin, unit

    Raises
    ------
    BadInputError
        If no unit or several fire at one place of every packet of a kind.
    """
    cells = np.empty((len(truth.onsets), packet_size, 3), np.int64)
    place = np.arange(packet_size)
    kind = 2 * truth.onsets[:, 2] + truth.reversed_mode
    for packet_kind in np.unique(kind):
        window, onset, _ = truth.onsets[kind == packet_kind].T[..., np.newaxis]
        always = truth.packet_spikes[window, onset + place].all(axis=0)  # (places, units)
        if np.any(always.sum(axis=1) != 1):
            raise BadInputError(
                f"expected one unit at each place of a packet, found {always.sum(axis=1).tolist()} units;"
                " plant them without jitter, in more windows"
            )
        cells[kind == packet_kind] = np.stack(
            np.broadcast_arrays(window, onset + place, always.argmax(axis=1)), axis=-1
        )
    return cells


def _split(maps: Maps, windows: Windows, packet_spikes: PacketSpikes) -> tuple[Maps, Maps]:
    """Importance of packet spikes and of background spikes."""
    if not maps.shape == windows.shape == packet_spikes.shape:
        raise BadInputError(
            "expected maps, windows and packet spikes of one shape, found"
            f" {maps.shape}, {windows.shape} and {packet_spikes.shape}"
        )
    spikes = windows > 0
    if np.any(packet_spikes & ~spikes):
        raise BadInputError("expected packet spikes to be spikes of the windows, found bins without; are they aligned?")
    packet, background = maps[packet_spikes], maps[spikes & ~packet_spikes]
    if not len(packet) or not len(background):
        raise BadInputError(
            f"expected packet and background spikes, found {len(packet)} and {len(background)}; take more windows"
        )
    return packet, background
