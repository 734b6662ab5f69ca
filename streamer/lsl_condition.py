"""A condition that comes live over LSL: the latest sample holds for a while, then it lets go to rest."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.condition import require_channels
from spikeloop.streamer.held_condition import ConditionReport, HeldCondition
from spikeloop.streamer.lsl_samples import APPEARS_WITHIN_S, LslSamples

__all__ = ["LslCondition"]


class LslCondition:
    """Follows the LSL stream of a name, as `LslSamples` does, from entering to leaving the context, async or not.

    A bin has the latest valid sample whose stamp, brought to this machine's clock, is not after the bin's end. When
    no later one comes, it holds for `hold_s` after its stamp and then decays, linearly and within `decay_s`, to rest;
    a stream that returns is live at once. Before the first sample the channels rest. A sample with NaN or infinity,
    or stamped more than 10 s off this machine's LSL clock, is ignored; a value further beyond a channel's range than
    half its width is clipped; all are counted.

    Parameters
    ----------
    name : of the stream
    channels : of the model; the stream has as many, in this order
    hold_s, decay_s : float >= 0
    appears_within_s, option : as of `LslSamples`

    Raises
    ------
    BadInputError
        If the model has no channels; on entering, if no such stream appears.
    FailureError
        On entering, if pylsl or liblsl is missing.
    """

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
        self.name = name
        self._held = HeldCondition(channels, hold_s, decay_s)
        self._samples = LslSamples(name, [each.name for each in channels], appears_within_s, option)

    def __enter__(self) -> Self:
        self._samples.__enter__()
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
        """The conditions of bins by their ends on LSL's clock, (bins,), ascending also from call to call.

        Returns
        -------
        (bins, channels); at once, from what has arrived.
        """
        stamps_s, values = self._samples.take()
        if len(stamps_s):
            self._held.offer(stamps_s, values, self._samples.now())
        return self._held.at(ends_s)

    def report(self) -> ConditionReport:
        """The figures so far."""
        report = replace(self._held.report(), refused=self._samples.refused)
        return replace(report, state="absent") if self._samples.absent else report
