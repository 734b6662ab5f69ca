"""What the plugin "Ephys Socket" of the Open Ephys GUI reads: packets of a header and a block of samples.

After "Header Format for Custom Data Streams" in the GUI's documentation (open-ephys/gui-docs at 04673c5,
User-Manual/Plugins/Ephys-Socket.rst), and the plugin's `SocketThread::run` and `EphysSocket::convertData`
(open-ephys-plugins/ephys-socket at 1cb0293 and 0631bfa), which read the samples of one channel after the other. The
plugin's example `python-example-tcp.py` (3143c67) sends one value on all channels, so that it shows no order.
"""

import struct

import numpy as np
from numpy.typing import NDArray

__all__ = ["packet"]

HEADER = struct.Struct("<iihiii")  # offset, bytes, depth, element size, channels, samples: 22 bytes
OFFSET = 0  # always, over TCP
S16, ELEMENT_BYTES = 3, 2  # OpenCV's depth of int16


def packet(values: NDArray[np.int16]) -> bytes:
    """Lay out samples of shape (samples, channels): the header, then all samples of each channel in turn."""
    samples, channels = values.shape
    block = np.ascontiguousarray(values.T, "<i2").tobytes()
    return HEADER.pack(OFFSET, len(block), S16, ELEMENT_BYTES, channels, samples) + block
