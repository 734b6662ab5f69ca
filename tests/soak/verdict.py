"""What a soak comes to."""

from dataclasses import dataclass

from tests.soak.accounts import Account
from tests.soak.flatness import Figures, Flatness
from tests.soak.schedule import Kept

__all__ = ["Entry", "Finding", "Followed", "Verdict"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    text : str
    number : int or None
        Of the latest fault before it; None where it has no time.
    """

    text: str
    number: int | None = None


@dataclass(frozen=True)
class Entry:
    """The account of a run of a stream at a consumer.

    Attributes
    ----------
    stream : str
        Its kind.
    run : int
        Its number among the runs of the stream, from 1 on.
    consumer : str
    life : int
        The number of the consumer's life.
    account : Account
    before, after : int
        Bins of the run before the consumer's first, and after its last one.
    counted : int or None
        Bins that the consumer itself counts as lost; None where it does not count, or could not report.
    """

    stream: str
    run: int
    consumer: str
    life: int
    account: Account
    before: int
    after: int
    counted: int | None


@dataclass(frozen=True)
class Followed:
    """The figures of the longest life of a program.

    Attributes
    ----------
    program : str
    ours : bool
        Whether it is a command of spikeloop.
    flatness : Flatness
    course : tuple of Figures
        Some of its figures, from its start to its end; times since the start.
    """

    program: str
    ours: bool
    flatness: Flatness
    course: tuple[Figures, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """All that was found.

    Attributes
    ----------
    entries : tuple of Entry
    kept : tuple of Kept
        Of the steady stream, after each fault.
    followed : tuple of Followed
    findings : tuple of Finding
        Empty where all is as it should be.
    """

    entries: tuple[Entry, ...]
    kept: tuple[Kept, ...]
    followed: tuple[Followed, ...]
    findings: tuple[Finding, ...]
