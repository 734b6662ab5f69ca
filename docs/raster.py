"""Draw docs/raster.png: some seconds of real spikes above as many of the shipped bundle's. `make picture`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from spikeloop.exporters.bundle import read_bundle
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.streamer.engine import Engine
from spikeloop.streamer.source import WindowSource

WINDOWS = 12
SEED = 0


def main() -> None:
    recording = find_recording("retina")
    bundle = read_bundle("retina")
    bins = WINDOWS * bundle.card.window_bins
    rows = {
        "recorded": recording.counts[0, :bins],
        "streamed": WindowSource(Engine(bundle, "cpu"), SEED).take(bins),
    }
    order = np.argsort(bundle.reference["rates"])
    figure, axes = plt.subplots(2, 1, figsize=(9, 4.6), dpi=150, sharex=True, layout="constrained")
    for axis, (title, counts), colour in zip(axes, rows.items(), ("#222222", "#0b6e99"), strict=True):
        times, units = counts[:, order].nonzero()
        axis.scatter(times * bundle.card.bin_size_s, units, s=2.2, marker="|", linewidths=1.1, color=colour)
        axis.set(ylabel="cell", ylim=(-1, len(order)), yticks=[])
        axis.set_title(title, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set(xlabel="time (s)", xlim=(0, bins * bundle.card.bin_size_s))
    figure.savefig(Path(__file__).with_name("raster.png"))


if __name__ == "__main__":
    main()
