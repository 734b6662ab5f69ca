"""Messages as a stream publishes them."""

import numpy as np

from spikeloop.streamer.mqtt.payloads import encode_spikes
from spikeloop.streamer.stream.step import Step, bin_end_s

BIN_S = 0.02


def spikes(sequence: int, times_s: list[float], units: list[int] | None = None) -> bytes:
    """A `spikes` message of one bin of 20 ms; times from the stream's start, at second 100 of LSL's clock."""
    step = Step(
        first_bin=sequence,
        counts=np.zeros((1, 4), np.uint8),
        conditions=np.zeros((1, 0), np.float32),
        stamps_s=bin_end_s(100.0, BIN_S, np.array([sequence])),
        event_units=np.array(units or [0] * len(times_s), np.int32),
        event_stamps_s=100.0 + np.array(times_s, np.float64),
    )
    return encode_spikes(step, sequence, BIN_S)
