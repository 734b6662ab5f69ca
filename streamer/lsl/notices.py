"""What is wrong with a followed stream, and what to do about it, each in a sentence."""

from spikeloop.models.clocks import apart_words
from spikeloop.streamer.lsl.follower import Follower

__all__ = ["namesakes_notice", "other_clock_notice", "reset_notice"]

LISTED = 3  # namesakes
AGAIN_AND_AGAIN = 3  # clock resets from which on these are no single events


def other_clock_notice(ahead_s: float, effect: str) -> str:
    """Say that a stream's stamps are of another clock.

    Parameters
    ----------
    ahead_s : float, s
        By how much stamps are ahead of LSL's clock; negative where they are behind it.
    effect : str
        What follows from it.
    """
    return (
        f"another clock: its stamps are {apart_words(ahead_s)}; {effect};"
        f" let its sender stamp with local_clock() (not with the time of day), or push without stamps"
    )


def reset_notice(resets: int) -> str:
    """Say that the sender's clock was reset so many times."""
    if resets >= AGAIN_AND_AGAIN:
        return (
            f"stamps jump again and again: {resets} clock resets so far; no bins count as lost there, and bins go on"
            f" without a gap where stamps return to where they were; let its sender stamp with local_clock(), or push"
            f" without stamps"
        )
    times = "once" if resets == 1 else f"{resets} times"
    return f"clock reset: its stamps jumped {times} for good; no bins count as lost there"


def namesakes_notice(name: str, follower: Follower, advice: str) -> str:
    """Say that several streams have the name, which one is followed, and how to choose.

    Parameters
    ----------
    name : str
    follower : Follower
        That found them.
    advice : str
        What to give to choose one.
    """
    others = follower.namesakes
    listed = "; ".join(others[:LISTED]) + ("; ..." if len(others) > LISTED else "")
    followed = f"the one from {follower.origin} is followed" if follower.origin else "none of them is followed"
    choice = f"choose with {advice}" if set(others) - {follower.origin} else "stop the other"
    return f"{len(others) + 1} streams are named {name!r}, {followed}: also there is one from {listed}; {choice}"
