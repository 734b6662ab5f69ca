"""What may have been done to a stream that its recording does not tell."""

from spikeloop.streamer.capture.acts import missing_acts
from spikeloop.streamer.capture.verify.stated import Stated

__all__ = ["cause_of_acts", "lost_acts"]

ACTS = "stimuli, perturbations, gain and pauses"


def lost_acts(recorded: Stated) -> list[str]:
    """Say which acts are missing between those that the file reports, in a sentence each."""
    return [str(missing) for missing in missing_acts(recorded.markers) if missing.first > 1]


def cause_of_acts(recorded: Stated, channels: int) -> list[str]:
    """Say whether acts that the file does not report may be why its bins differ, in a sentence or none.

    Parameters
    ----------
    recorded : Stated
    channels : int >= 0
        Of what drives the population; a stream on which one can act has one more in its conditions, of the stimulus.
    """
    driven = recorded.conditions
    if recorded.made_at_once or (driven is not None and driven.shape[1] == channels and not recorded.has_markers):
        return []
    if missing := missing_acts(recorded.markers):
        return [f"{', '.join(map(str, missing))}: what they did is not known, and may be why"]
    if not recorded.has_markers:
        return [f"the file has no markers of the stream, which report {ACTS}: these may be why"]
    if recorded.bins[0] > 0:
        return [f"{ACTS} of before bin {recorded.bins[0]}, where the file begins, left no trace in it, and may be why"]
    return []
