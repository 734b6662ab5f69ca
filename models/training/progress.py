"""Where a training run stands."""

from dataclasses import dataclass

from spikeloop.models.measures.similarity import Similarity

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Where a training run stands.

    Attributes
    ----------
    steps : int
        Steps so far; 0 of a baseline, which is fitted in one go.
    trained_s : float, s
        Time of training so far, before a resume included.
    share : float from 0 to 1
        How much is done of what was asked for.
    similarity : tuple of Similarity
        The latest comparison with held-out data; empty before the first.
    resumed : bool
        True in the first report after preparing, of a run that continues from a checkpoint.
    preparing : str
        In the report before all others, what is done before the first step; empty in others.
    finishing : str
        What is done after the last step, such as "calibrating"; empty before.
    starts : tuple of str
        In the first report after preparing, of a run that begins: what the recording can give, and how long it takes.
    stopped : str
        In the report after the last step, why the run ended before its time; empty where it did not.
    """

    steps: int
    trained_s: float
    share: float = 0.0
    similarity: tuple[Similarity, ...] = ()
    resumed: bool = False
    finishing: str = ""
    starts: tuple[str, ...] = ()
    stopped: str = ""
    preparing: str = ""
