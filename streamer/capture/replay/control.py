"""What devices ask of a replay of streams over MQTT: pause, resume, seek."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, SupportsIndex

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.replay.playhead import Playhead
from spikeloop.streamer.stream.steering import MarkListener

__all__ = ["PlayheadSteering"]

ONLY = "streams of a file are replayed as they are; replay its counts with --counts to"


class PlayheadSteering:
    """Steers a playhead as `Steering` does a stream; each act is marked, and others are refused.

    Parameters
    ----------
    playhead : Playhead
    now : callable
        LSL's clock, s.
    """

    def __init__(self, playhead: Playhead, now: Callable[[], float]) -> None:
        self._playhead, self._now = playhead, now
        self._listeners: list[MarkListener] = []

    @property
    def paused(self) -> bool:
        """Whether a pause was asked for last."""
        return self._playhead.paused

    def listen(self, listener: MarkListener) -> None:
        """Have a listener get every marker from now on."""
        self._listeners.append(listener)

    def set_paused(self, paused: bool) -> None:
        """Stand still, or go on; does nothing where that is so already."""
        if paused != self.paused:
            self._playhead.pause() if paused else self._playhead.resume()
            self._mark("pause" if paused else "resume")

    def seek(self, seconds: float) -> None:
        """Go to a time of the file, s; BadInputError where it is not replayed."""
        self._playhead.seek(seconds)
        self._mark("seek", position_s=seconds)

    def set_gain(self, gain: float) -> None:  # noqa: ARG002
        """Raise BadInputError: recorded streams have none."""
        raise BadInputError(f"{ONLY} change the gain")

    def stimulate(self, units: Sequence[SupportsIndex] | Literal["all"], *train: Any, **more: Any) -> None:  # noqa: ARG002
        """Raise BadInputError: what was recorded answers to nothing."""
        raise BadInputError(f"{ONLY} stimulate")

    def perturb(
        self,
        kind: str,  # noqa: ARG002
        value: float | None = None,  # noqa: ARG002
        units: Sequence[SupportsIndex] | None = None,  # noqa: ARG002
    ) -> None:
        """Raise BadInputError: recorded streams go out as they are."""
        raise BadInputError(f"{ONLY} perturb")

    def _mark(self, event: str, **details: Any) -> None:
        for listener in self._listeners:
            listener(event, self._now(), **details)
