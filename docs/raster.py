"""Draw docs/raster.png: some seconds of real spikes, and as many of the shipped bundles'. `make picture`."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.recordings.condition import phases
from spikeloop.streamer.stream.source import open_source

BINS = 384
SETTLING_BINS = 1000
SEED = 0


def main() -> None:
    recording = read_recording("retina")
    bundle, movie = load_bundle("retina"), load_bundle("retina-movie")
    answering = open_source(movie, SEED, "cpu")
    rows = {
        "recorded, the beginning of the movie": recording.counts[0, :BINS],
        "streamed, driven by the movie (retina-movie)": answering.next(BINS, phases(0, BINS, recording.bins)),
        "streamed, driven by nothing (retina)": open_source(bundle, SEED, "cpu").next(SETTLING_BINS + BINS)[-BINS:],
    }
    order = np.argsort(bundle.reference["rates"])
    figure, axes = plt.subplots(3, 1, figsize=(9, 6.4), dpi=150, sharex=True, layout="constrained")
    for axis, (title, counts), colour in zip(axes, rows.items(), ("#222222", "#0b6e99", "#0b6e99"), strict=True):
        times, units = counts[:, order].nonzero()
        axis.scatter(times * bundle.card.bin_size_s, units, s=2.2, marker="|", linewidths=1.1, color=colour)
        axis.set(ylabel="cell", ylim=(-1, len(order)), yticks=[])
        axis.set_title(title, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set(xlabel="time (s)", xlim=(0, BINS * bundle.card.bin_size_s))
    figure.savefig(Path(__file__).with_name("raster.png"))


if __name__ == "__main__":
    main()
