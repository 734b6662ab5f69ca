"""How a Synapse device ran."""

from dataclasses import dataclass

from spikeloop.models.plural import number_of

__all__ = ["SynapseReport", "synapse_words"]


@dataclass(frozen=True)
class SynapseReport:
    """How a Synapse device ran.

    Attributes
    ----------
    address : str
        Of its control plane.
    running : bool
        Whether a client started it, and none stopped it since.
    first_sample : int or None
        Number of the first sample after the latest start, from 0 at the stream's start; None before any.
    first_sample_s : float or None, s
        The time of that sample on LSL's clock.
    samples : int
        Of voltage, of each channel, that were published while clients were there.
    left_out : int
        Samples that no client could get, because steps of voltage were left out.
    spike_windows : int
        Windows of spike counts that were published while clients were there.
    pulses : int
        Of stimulation, that clients sent.
    refused : int
        Messages of stimulation that could not be understood or acted on.
    """

    address: str
    running: bool
    first_sample: int | None
    first_sample_s: float | None
    samples: int
    left_out: int
    spike_windows: int
    pulses: int
    refused: int


def synapse_words(report: SynapseReport) -> str:
    """Put the figures into words, on a line."""
    at = "" if report.first_sample_s is None else f", from LSL time {report.first_sample_s:.6f} s on"
    return (
        f"Synapse {report.address}: {number_of(report.samples, 'sample')}{at}, {report.left_out} left out;"
        f" {number_of(report.spike_windows, 'window')} of spikes; {number_of(report.pulses, 'pulse')},"
        f" {report.refused} refused"
    )
