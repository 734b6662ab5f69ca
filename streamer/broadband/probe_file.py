"""A probe in the format of probeinterface, https://probeinterface.readthedocs.io, which SpikeInterface reads."""

from typing import Any

from spikeloop.streamer.broadband.probe import Probe

__all__ = ["PROBE_SUFFIX", "probe_document"]

PROBE_SUFFIX = ".probe.json"
FORMAT_VERSION = "0.2.21"


def probe_document(probe: Probe) -> dict[str, Any]:
    """Describe a probe: its contacts, in um, each wired to the channel of its number."""
    channels = probe.channels
    described = {
        "ndim": 2,
        "si_units": "um",
        "annotations": {"manufacturer": "spikeloop", "name": probe.name},
        "contact_annotations": {},
        "contact_positions": probe.positions_um.tolist(),
        "contact_plane_axes": [[[1.0, 0.0], [0.0, 1.0]]] * channels,
        "contact_shapes": [probe.shape] * channels,
        "contact_shape_params": [dict(probe.size_um)] * channels,
        "device_channel_indices": list(range(channels)),
        "contact_ids": [str(channel) for channel in range(channels)],
    }
    return {"specification": "probeinterface", "version": FORMAT_VERSION, "probes": [described]}
