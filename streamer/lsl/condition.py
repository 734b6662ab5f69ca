"""A condition that comes live over LSL: the latest sample holds for a while, then it lets go to rest."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.conditions.feeds import require_channels
from spikeloop.streamer.conditions.hold import FURTHEST_S, ConditionReport, HeldCondition
from spikeloop.streamer.conditions.opening import LIVE
from spikeloop.streamer.lsl.notices import other_clock_notice
from spikeloop.streamer.lsl.samples import APPEARS_WITHIN_S, LslSamples

__all__ = ["LslCondition"]

NAMESAKES_S = 2.0  # in which a stream that sends takes the place of one of the same name that does not

logger = logging.getLogger(__name__)


class LslCondition(Drive):
    """The LSL stream of a name as a drive, followed from entering to leaving the context, async or not.

    A bin has the latest valid sample whose stamp, brought to this machine's clock, is not after the bin's end. When
    no later one comes, it holds for `hold_s` after its stamp and then decays, linearly and within `decay_s`, to rest;
    a stream that returns is live at once. Before the first sample the channels rest. A sample with NaN or infinity,
    or stamped more than 10 s off this machine's LSL clock, is ignored; a value further beyond a channel's range than
    half its width is clipped; all are counted.

    Parameters
    ----------
    name : str
        The stream's name; `NAME?source_id=ID&host=HOST` where several have the name.
    channels : sequence of Condition
        The model's channels; the stream has as many, in this order.
    hold_s, decay_s : float >= 0, s
    appears_within_s : float, s
        How long to look for the stream.
    option : str
        The option that asked for it, for messages.

    Raises
    ------
    BadInputError
        If the model has no channels; on entering, if no such stream appears.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

    known_ahead = False

    def __init__(
        self,
        name: str,
        channels: Sequence[Condition],
        hold_s: float = 0.5,
        decay_s: float = 0.5,
        appears_within_s: float = APPEARS_WITHIN_S,
        option: str = "--condition",
    ) -> None:
        require_channels(channels)
        self.name, self.asked = name, f"{LIVE}{name}"
        self._held = HeldCondition(channels, hold_s, decay_s)
        self._samples = LslSamples(name, [channel.name for channel in channels], appears_within_s, option)
        self._ahead_s = 0.0  # of this machine's clock, where the latest stamps are of another one
        self._logged: set[str] = set()

    def __enter__(self) -> Self:
        self._samples.__enter__()
        self._entered_s = self._samples.now()
        return self

    def __exit__(self, *error: object) -> None:
        self._samples.__exit__(*error)

    async def __aenter__(self) -> Self:
        try:
            return await asyncio.to_thread(self.__enter__)
        except BaseException:
            self._samples.give_up()
            raise

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self.__exit__, *error)

    def at(self, ends_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the conditions, (bins, channels), of bins by their ends on LSL's clock; at once, from what came."""
        stamps_s, values = self._samples.pull()
        if len(stamps_s):
            now_s = self._samples.now()
            self._held.offer(stamps_s, values, now_s)
            self._compare(stamps_s, now_s)
        if (namesakes := self._samples.namesakes) and self._samples.now() > self._entered_s + NAMESAKES_S:
            self._log("namesakes", namesakes)
        return self._held.at(ends_s)

    def report(self) -> ConditionReport:
        """Return the figures so far."""
        notices = filter(None, (self._clock_notice(), self._samples.namesakes))
        report = replace(self._held.report(), refused=self._samples.refused, notice="; ".join(notices))
        return replace(report, state="absent") if self._samples.absent else report

    def describe(self, bins: int) -> dict[str, Any]:
        """Add the figures of what came."""
        return super().describe(bins) | asdict(self.report())

    def _compare(self, stamps_s: Floats, now_s: float) -> None:
        """Note by how much the stamps are ahead, where all of these are of another clock."""
        ahead_s = stamps_s[np.isfinite(stamps_s)] - now_s
        if len(ahead_s):
            self._ahead_s = float(np.median(ahead_s)) if (np.abs(ahead_s) > FURTHEST_S).all() else 0.0
            self._log("clock", self._clock_notice())

    def _clock_notice(self) -> str:
        return other_clock_notice(self._ahead_s, "its samples are ignored") if self._ahead_s else ""

    def _log(self, kind: str, notice: str) -> None:
        """Warn once, from a thread of its own, as whoever reads the log may stand still and a stream may not."""
        if notice and kind not in self._logged:
            self._logged.add(kind)
            threading.Thread(target=logger.warning, args=("%s: %s", self.asked, notice), daemon=True).start()
