"""Planted packets, recovered by the importance maps of critics that were trained on 8,192 windows and on fewer."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.processes import SPIKELOOP, python, report
from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.importance import maps as importance
from spikeloop.models.importance.packets import packet_auc, packet_cells, packet_recall
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.simulated import packets
from spikeloop.streamer.inference.critic_engine import Critic

TRAINING_WINDOWS = (8192, 4096, 2048, 1024)
JUDGED_WINDOWS = 512
PRESET, STEPS = "importance", 800
Modes = Literal[1, 2]


def measure(seconds: float) -> dict:  # noqa: ARG001
    """For both modes, every number of training windows, and a scorer that knows the packets; takes 20 minutes."""
    return {
        "about": f"Packets of 8 spikes in windows of 32 bins and 32 units: `train --data packets:MODES:WINDOWS --family"
        f" spike_gan --preset {PRESET} --steps {STEPS} --hold-out 0`, then exact importance of {JUDGED_WINDOWS} fresh"
        " windows of the population, and of as many that were trained on. AUC: of packet spikes against background"
        " spikes. Recall: share of the packets of which half the spikes are above 95 % of the background spikes.",
        "rows": [row for modes in (1, 2) for row in _rows(modes)],
        "notes": [
            "The last row of each mode is of a scorer that counts whole packets. Even it gives importance to background"
            " spikes: those that share a span with a packet spike of their unit are shuffled along with it.",
        ],
    }


@dataclass(frozen=True, eq=False)
class _Planted:
    """Windows, and what was planted in them: spikes of their shape, and `packet_cells`."""

    windows: NDArray[np.uint8]
    spikes: NDArray[np.bool_]
    cells: NDArray[np.int64]


def _rows(modes: Modes) -> list[dict]:
    rows = [_trained(modes, windows) for windows in TRAINING_WINDOWS]
    planted = _fresh(modes, TRAINING_WINDOWS[0])
    knowing: Any = _WholePackets(np.unique(planted.cells[:, :, 2], axis=0))  # not all of a critic, but enough of one
    return [*rows, _row(modes, "none", "", _figures(knowing, planted), "")]


def _trained(modes: Modes, windows: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, bundle = Path(folder) / "checkpoint", Path(folder) / "bundle"
        of = ("--data", f"packets:{modes}:{windows}", "--family", "spike_gan", "--preset", PRESET, "--steps", STEPS)
        train = python(*SPIKELOOP, "train", *of, "--hold-out", 0, "--device", "cpu", "--out", checkpoint, "--json")
        minutes = report(train)["trained_s"] / 60
        report(python(*SPIKELOOP, "export", checkpoint, "--out", bundle, "--json"))
        critic = Critic(load_bundle(bundle), "cpu")
    known, _ = _figures(critic, _known(modes, windows))
    return _row(modes, windows, minutes, _figures(critic, _fresh(modes, windows)), known)


def _known(modes: Modes, training_windows: int) -> _Planted:
    """The first windows that were trained on."""
    return _segment(modes, training_windows, 0)


def _fresh(modes: Modes, training_windows: int) -> _Planted:
    """Windows of the same units, rates and packets that were not: in a longer draw they come after as many others."""
    return _segment(modes, training_windows + JUDGED_WINDOWS, training_windows)


def _segment(modes: Modes, windows: int, first: int) -> _Planted:
    truth = packets(windows, modes=modes)
    cells = packet_cells(truth)
    inside = (cells[:, 0, 0] >= first) & (cells[:, 0, 0] < first + JUDGED_WINDOWS)
    segment = slice(first, first + JUDGED_WINDOWS)
    return _Planted(
        truth.recording.counts[segment], truth.packet_spikes[segment], cells[inside] - np.array([first, 0, 0])
    )


def _figures(critic: importance.Critic, planted: _Planted) -> tuple[float, float]:
    """AUC and recall of its importance maps."""
    random = random_stream(0, Purpose.BENCHMARK)
    maps = importance.exact_importance(planted.windows, critic, random).maps
    auc = packet_auc(maps, planted.windows, planted.spikes)
    return auc, packet_recall(maps, planted.windows, planted.spikes, planted.cells)


class _WholePackets:
    """A scorer that knows the packets: how many a window holds whole."""

    def __init__(self, sequences: NDArray[np.int64]) -> None:
        """`sequences` are the units of each packet in their order, (packets, spikes)."""
        self._sequences = sequences

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.int64]:
        stretches = sliding_window_view(windows > 0, self._sequences.shape[1], axis=1)  # (..., units, places)
        places = np.arange(self._sequences.shape[1])
        whole = [stretches[:, :, units, places].all(axis=2) for units in self._sequences]  # (windows, stretches)
        return np.sum(whole, axis=(0, 2))

    def changes(
        self,
        window: NDArray[np.float32],
        unit: NDArray[np.int64],
        first: NDArray[np.int64],  # noqa: ARG002
        change: NDArray[np.float32],
        conditions: None,  # noqa: ARG002
    ) -> NDArray[np.int64]:
        changed = np.repeat(window[np.newaxis], len(unit), axis=0)
        changed[np.arange(len(unit)), :, unit] += change
        return self.score(changed) - self.score(window[np.newaxis])


def _row(
    modes: Modes, windows: int | str, minutes: float | str, fresh: tuple[float, float], known: float | str
) -> dict:
    row = {
        "modes": modes,
        "training windows": windows,
        "minutes": minutes,
        "AUC": fresh[0],
        "recall": fresh[1],
        "AUC, training windows": known,
    }
    print(row, flush=True)
    return row
