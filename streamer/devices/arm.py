"""A robot arm of two joints that follows the decoded velocity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.device import Outgoing, document_of, number_pair
from spikeloop.streamer.devices.planar_arm import PlanarArm

__all__ = ["Arm", "ArmSettings"]


@dataclass(frozen=True)
class ArmSettings:
    """How an arm follows.

    Attributes
    ----------
    correction_hz : float from 0 to 20, per second
        Share of the distance to the cursor that is corrected for in a second. Velocity alone, at 0, would let the
        endpoint drift away from a cursor that stops at the workspace's edge or is put back.
    silence_s : float > 0, s
        Time without a message after which the arm stands still.
    tick_s : float > 0, s
        From one movement, and message on `arm`, to the next.
    """

    correction_hz: float = 2.0
    silence_s: float = 0.5
    tick_s: float = 0.02


@dataclass(frozen=True)
class _Cursor:
    """The latest message on `cursor`."""

    velocity_cm_s: tuple[float, float]
    position_cm: tuple[float, float] | None
    stamp_s: float | None
    heard_s: float


class Arm:
    """Moves its endpoint as `cursor` says, and publishes on `arm` where it is.

    Closed-loop inverse kinematics (Siciliano 1990, J Intell Robot Syst 3:201): the endpoint's velocity is the cursor's
    and a correction in proportion to its distance from the cursor.

    Parameters
    ----------
    settings : ArmSettings, optional
    arm : PlanarArm, optional

    Raises
    ------
    BadInputError
        If a setting is out of its range.
    """

    topics = ("cursor",)

    def __init__(self, settings: ArmSettings | None = None, arm: PlanarArm | None = None) -> None:
        self._settings, self._arm = settings or ArmSettings(), arm or PlanarArm()
        if not 0 <= self._settings.correction_hz <= 20:
            raise BadInputError(f"arm: expected a correction of 0 to 20 a second, found {self._settings.correction_hz}")
        if not 0 < self._settings.silence_s <= 60:
            raise BadInputError(f"arm: expected a silence above 0 and up to 60 s, found {self._settings.silence_s}")
        self.tick_s = self._settings.tick_s
        self._joints_rad = self._arm.joints_rad(np.zeros(2))
        self._cursor: _Cursor | None = None
        self._ticked_s = math.nan
        self._still = True
        self._messages = self._refused = self._stops = self._moves = 0
        self._path_cm = self._squared_error_cm2 = 0.0

    def receive(self, topic: str, payload: bytes, now_s: float) -> Sequence[Outgoing]:  # noqa: ARG002
        """Note where the cursor is and how it moves."""
        document = document_of(payload) or {}
        velocity = number_pair(document.get("velocity_cm_s"))
        if velocity is None:
            self._refused += 1
            return ()
        stamp_s = document.get("stamp_s")
        self._cursor = _Cursor(
            velocity,
            number_pair(document.get("position_cm")),
            stamp_s if isinstance(stamp_s, int | float) else None,
            now_s,
        )
        self._messages += 1
        return ()

    def tick(self, now_s: float) -> Sequence[Outgoing]:
        """Move, and publish where the arm is."""
        passed_s = min(now_s - self._ticked_s, 5 * self.tick_s) if self._ticked_s <= now_s else 0.0
        self._ticked_s = now_s
        cursor = self._cursor
        still = cursor is None or now_s - cursor.heard_s > self._settings.silence_s
        self._stops += still and not self._still
        self._still = still
        if cursor is not None and not still:
            self._follow(cursor, passed_s)
        return (Outgoing("arm", self._state(cursor)),)

    def _follow(self, cursor: _Cursor, passed_s: float) -> None:
        before_cm = self._arm.endpoint_cm(self._joints_rad)
        velocity = np.array(cursor.velocity_cm_s)
        if cursor.position_cm is not None:
            off_cm = np.array(cursor.position_cm) - before_cm
            velocity = velocity + self._settings.correction_hz * off_cm
            self._squared_error_cm2 += float(off_cm @ off_cm)
            self._moves += 1
        self._joints_rad = self._arm.moved(self._joints_rad, velocity, passed_s)
        self._path_cm += float(np.linalg.norm(self._arm.endpoint_cm(self._joints_rad) - before_cm))

    def _state(self, cursor: _Cursor | None) -> dict[str, Any]:
        at_limit = (self._joints_rad <= self._arm.low_rad) | (self._joints_rad >= self._arm.high_rad)
        return {
            "stamp_s": cursor.stamp_s if cursor is not None else None,
            "state": "still" if self._still else "following",
            "joints_rad": self._joints_rad.tolist(),
            "elbow_cm": self._arm.elbow_cm(self._joints_rad).tolist(),
            "endpoint_cm": self._arm.endpoint_cm(self._joints_rad).tolist(),
            "at_limit": bool(at_limit.any()),
        }

    def report(self) -> dict[str, Any]:
        """Messages used and refused, stops for silence, the endpoint's path, and its distance from the cursor."""
        error_cm = math.sqrt(self._squared_error_cm2 / self._moves) if self._moves else math.nan
        return {
            "messages": self._messages,
            "refused": self._refused,
            "stops": self._stops,
            "path_cm": self._path_cm,
            "distance_from_cursor_cm": error_cm,
            "endpoint_cm": self._arm.endpoint_cm(self._joints_rad).tolist(),
        }
