"""Count lost `spikes` messages by their sequence."""

__all__ = ["SequenceCheck"]

MODULUS = 2**32  # the sequence travels in 32 bits


class SequenceCheck:
    """Counts messages and gaps between them; a step back, or a jump of a million, is another run of the stream.

    Attributes
    ----------
    messages, lost, restarts : int
    """

    LONGEST_GAP = 1_000_000

    def __init__(self) -> None:
        self.messages = self.lost = self.restarts = 0
        self._expected: int | None = None

    def add(self, sequence: int) -> None:
        """Add the sequence of the next message."""
        gap = 0 if self._expected is None else (sequence - self._expected) % MODULUS
        if gap > self.LONGEST_GAP:
            self.restarts += 1
        else:
            self.lost += gap
        self.messages += 1
        self._expected = (sequence + 1) % MODULUS
