"""A calibration in which a visitor follows a cursor that moves by itself."""

from typing import Any

from spikeloop.models.arrays import Floats
from spikeloop.models.scalars import checked_number
from spikeloop.streamer.dashboard.play.calibration import reaches_to_follow

__all__ = ["Following"]

SHORTEST_S, LONGEST_S = 5.0, 600.0
PATIENCE_BINS = 100  # that may pass until it is known what drove the last one


class Following:
    """Leads the cursor, bin by bin.

    Parameters
    ----------
    asked : dict
        Of the page: `length_s` and `seed`.
    bin_size_s : float > 0, s
    player : int
        Number of the page.

    Attributes
    ----------
    bins : list of int
        Numbers of the bins so far.
    """

    def __init__(self, asked: dict[str, Any], bin_size_s: float, player: int) -> None:
        self.length_s = checked_number("length_s", asked["length_s"], SHORTEST_S, LONGEST_S, "s")
        self.player, self.bins = player, list[int]()
        self._path = reaches_to_follow(round(self.length_s / bin_size_s), bin_size_s, 0).position_cm
        self._waited = 0

    @property
    def over(self) -> bool:
        """Whether the cursor has made its whole way."""
        return len(self.bins) == len(self._path)

    @property
    def impatient(self) -> bool:
        """Whether it has waited long enough for what drove its last bins."""
        return self._waited > PATIENCE_BINS

    def step(self, number: int) -> Floats:
        """Return where the cursor is at the end of the bin of this number."""
        if self.over:
            self._waited += 1
        else:
            self.bins.append(number)
        return self._path[len(self.bins) - 1]

    def document(self) -> dict[str, Any]:
        """Describe it for pages."""
        return {"length_s": self.length_s, "first_bin": self.bins[0] if self.bins else None, "player": self.player}
