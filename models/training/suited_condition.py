"""What a model should answer to, where the user names nothing: the phase of repeats that are alike, else nothing.

Where every repeat saw the same, a model that knows the phase has the mean response from a table, and learns what
varies about it; one that doesn't has to find out from its own spikes where in the stimulus it is, and gets lost.
"""

from collections.abc import Sequence

from spikeloop.models.families.registry import CONDITIONAL
from spikeloop.models.measures.response import psth_reliability
from spikeloop.models.measures.session_drift import rate_drift
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.significant import significant

__all__ = ["drift_advice", "suited_condition"]

RELIABLE = 0.5  # of halves of the repeats; where it is less, most of a mean response is noise
DRIFTS = 3.0  # times what chance makes; less is common where the units of a population wax and wane together


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


def drift_advice(recording: Recording, family: str, answers: Sequence[str]) -> str:
    """Say that a session drifts, where the model is not to know the session time.

    Parameters
    ----------
    recording : Recording
    family : str
    answers : sequence of str
        What the model answers to: "none", "phase", "recorded", "session-time".

    Returns
    -------
    str
        Empty where there is nothing to say.
    """
    if family not in CONDITIONAL or not {"none", "recorded"}.issuperset(answers):
        return ""
    drift = rate_drift(recording)
    if not drift >= DRIFTS:
        return ""
    how = "session-time beside what --condition names" if "recorded" in answers else "--condition session-time"
    return (
        f"rates drift over the session (their variance between stretches of it is {significant(drift)} times what the"
        f" variation within them explains); {how} learns that too"
    )
