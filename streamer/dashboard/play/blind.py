"""Two decoders compared blind: the same targets for each, in an order that nobody knows before the end."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.results.paired_statistics import paired_figures
from spikeloop.streamer.dashboard.play.game import Game
from spikeloop.streamer.dashboard.play.session_file import trials_of
from spikeloop.streamer.dashboard.play.setup import GameSetup

__all__ = ["LABELS", "BlindComparison"]

LABELS = ("A", "B")


class BlindComparison:
    """The games of two decoders.

    Parameters
    ----------
    setup : GameSetup
        Of both.
    decoders : sequence of str
        Two different names.
    bin_size_s : float > 0, s

    Attributes
    ----------
    games : list of Game
        Those that are over.

    Raises
    ------
    BadInputError
        If they are not two.
    """

    def __init__(self, setup: GameSetup, decoders: Sequence[str], bin_size_s: float) -> None:
        if len(set(decoders)) != 2 or len(decoders) != 2:
            raise BadInputError(
                f"compare: expected two different decoders, found {', '.join(decoders) or 'none'!s:.80}"
            )
        order = random_stream(setup.seed, Purpose.BLIND_ORDER).permutation(2)
        self.setup, self.names = setup, tuple(str(decoders[place]) for place in order)
        self.games: list[Game] = []
        self._bin_size_s = bin_size_s

    @property
    def over(self) -> bool:
        """Whether both were played."""
        return len(self.games) == 2

    @property
    def next(self) -> str:
        """The decoder that plays next."""
        return self.names[len(self.games)]

    def document(self, playing: bool) -> dict[str, Any]:
        """Describe it for pages: which decoders these were at the end only."""
        if not self.over:
            return {"stage": "playing" if playing else "between", "label": LABELS[len(self.games)]}
        return {"stage": "revealed", "results": self._results(), "difference": self._difference()}

    def _results(self) -> list[dict[str, Any]]:
        named = zip(LABELS, self.names, self.games, strict=True)
        return [{"label": label, "decoder": name, "score": asdict(game.score())} for label, name, game in named]

    def _difference(self) -> dict[str, Any]:
        """A less B: bits/s, and success and time to the target of the trials that both had."""
        one, other = self.games
        trials = min(len(one.selections), len(other.selections))
        bits = [game.score().bits_per_s for game in self.games]
        first, second = ([trials_of(game)[:trials]] for game in self.games)
        paired = paired_figures(first, second, self._bin_size_s, self.setup.task.timeout_s)
        return {
            "trials": trials,
            "bits_per_s": None if None in bits else bits[0] - bits[1],  # pyright: ignore[reportOperatorIssue]
            "success": json_values(paired.success_difference),
            "time_s": json_values(paired.time_difference_s),
        }
