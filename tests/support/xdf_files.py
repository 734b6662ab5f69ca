"""Headers and stamps of XDF streams, as other programs write them."""

import numpy as np

from spikeloop.exporters.formats.xdf.header import stream_header

__all__ = ["SIZE", "header", "stamps"]

SIZE = 0.02


def header(name, kind, labels, rate_hz=1 / SIZE, form="int16", own=None, unit="count"):
    channels = [{"label": label, "unit": unit, "type": "x"} for label in labels]
    described = stream_header(name, kind, channels, rate_hz, form, own or {})
    if own is None:
        desc, ours = described.find("desc"), described.find("desc/spikeloop")
        assert desc is not None
        assert ours is not None
        desc.remove(ours)
    return described


def stamps(bins, start=100.0):
    return start + np.arange(1, bins + 1) * SIZE
