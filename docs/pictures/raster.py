"""docs/raster.png: some seconds of real spikes, and as many of the shipped bundles'."""

import numpy as np
from numpy.typing import NDArray
from places import DOCS

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.pages.drawing import MODEL, REAL, look, new_figure, picture_file
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
    (DOCS / "raster.png").write_bytes(_drawn(rows, order, bundle.card.bin_size_s))


@look()
def _drawn(rows: dict[str, NDArray[np.uint8]], order: NDArray[np.intp], bin_size_s: float) -> bytes:
    figure = new_figure(10, 6.4)
    axes = figure.subplots(3, 1, sharex=True)
    for axis, (title, counts), colour in zip(axes, rows.items(), (REAL, MODEL, MODEL), strict=True):
        times, units = counts[:, order].nonzero()
        axis.scatter(times * bin_size_s, units, s=8, marker="|", linewidths=1.3, color=colour)
        axis.set(ylabel="unit", ylim=(-1, len(order)), yticks=[])
        axis.set_title(title, loc="left", fontsize=11)
    axes[-1].set(xlabel="time (s)", xlim=(0, BINS * bin_size_s))
    return picture_file(figure, ".png")
