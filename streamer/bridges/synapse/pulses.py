"""The pulses in the waveforms that a client sends to a stimulation node."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.bridges.synapse.signal_chain import StimulationNode

__all__ = ["Pulse", "pulses_in"]


class Pulse(NamedTuple):
    """A cathodic phase of a current.

    Attributes
    ----------
    electrode : int >= 0
    after_s : float, s
        When it begins, from the waveform's beginning on.
    amplitude_ua : float > 0, uA
        The largest of its current.
    width_us : float > 0, us
    """

    electrode: int
    after_s: float
    amplitude_ua: float
    width_us: float


def pulses_in(waveforms: NDArray[np.int16], node: StimulationNode) -> list[Pulse]:
    """Find the pulses: each run of negative current is one, as it is the cathodic phase that excites.

    Parameters
    ----------
    waveforms : array of shape (samples, electrodes), int16
        In steps of the node.
    node : StimulationNode

    Returns
    -------
    list of Pulse, by time
    """
    pulses = []
    for electrode, current in zip(node.electrodes.places, waveforms.T.astype(np.int64), strict=True):
        edges = np.diff(np.concatenate([[0], current < 0, [0]]).astype(np.int8))
        for begin, end in zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True):
            amplitude_ua = -int(current[begin:end].min()) * node.step_na / 1000
            pulses.append(Pulse(electrode, begin / node.rate_hz, amplitude_ua, (end - begin) / node.rate_hz * 1e6))
    return sorted(pulses, key=lambda pulse: pulse.after_s)
