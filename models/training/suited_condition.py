"""What a model should answer to, where the user names nothing: the phase of repeats that are alike, else nothing.

Where every repeat saw the same, a model that knows the phase has the mean response from a table, and learns what
varies about it; one that doesn't has to find out from its own spikes where in the stimulus it is, and gets lost.
"""

from spikeloop.models.families.registry import CONDITIONAL
from spikeloop.models.measures.response import psth_reliability
from spikeloop.models.recordings.recording import Recording

__all__ = ["suited_condition"]

RELIABLE = 0.5  # of halves of the repeats; where it is less, most of a mean response is noise


def suited_condition(recording: Recording, family: str, hold_out: int) -> tuple[str, str]:
    """Choose what suits a recording.

    Parameters
    ----------
    recording : Recording
    family : str
    hold_out : int >= 0
        Every n-th repeat is held out.

    Returns
    -------
    str
        "phase" or "none".
    str
        Why, in words; empty where there is nothing to say.
    """
    if family not in CONDITIONAL:
        return "none", ""
    if recording.lengths is None and recording.repeats >= max(2, hold_out):
        reliability = psth_reliability(recording.counts)
        if reliability >= RELIABLE:
            return (
                "phase",
                f"condition phase, as repeats are alike (their halves' mean responses correlate by {reliability:.2f})",
            )
    if recording.channels:
        names = ", ".join(channel.name for channel in recording.channels)
        return "none", f"condition none; --condition recorded learns how the population answers to {names}"
    return "none", ""
