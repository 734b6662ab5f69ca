"""The text that names a user, parsed once, and the user that it names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from spikeloop.exporters.formats.read import read_arrays
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_number
from spikeloop.streamer.closedloop.experiment.adaptation import PUBLISHED, AdaptingUser, Learning
from spikeloop.streamer.closedloop.experiment.users import ScriptedUser, SimulatedUser, User, UserModel, View
from spikeloop.streamer.inference.own_code import foreign_code, velocity_from

__all__ = ["CheckedUser", "UserSpec", "open_user", "parse_user"]

EXPECTED = (
    "expected simulated, adapting, adapting:RATE of a trial (0 to 1), scripted:FILE.npz (array velocity: bins x 2,"
    " cm/s) or lsl:STREAM"
)


@dataclass(frozen=True)
class UserSpec:
    """A user that was asked for.

    Attributes
    ----------
    name : str
        Label in reports; the text itself, or the name of a class or function.
    kind : {"simulated", "scripted", "lsl", "object"}
    argument : str, default ""
        What follows the colon: a file or a stream.
    factory : callable without arguments, optional
        Makes an object with `intend` and `follow`, for each session.
    learning : Learning, optional
        Of a simulated user who adapts.
    """

    name: str
    kind: Literal["simulated", "scripted", "lsl", "object"]
    argument: str = ""
    factory: Callable[[], User] | None = None
    learning: Learning | None = None


def parse_user(user: str | Callable[[], User]) -> UserSpec:
    """Parse the text that names a user; or keep a class or function of the caller's own, which makes one.

    Raises
    ------
    BadInputError
        If it is none of these.
    """
    if not isinstance(user, str):
        if not callable(user):
            raise BadInputError(f"--user: {EXPECTED}, or a class or function that makes a user; found {user!r:.80}")
        return UserSpec(getattr(user, "__name__", type(user).__name__), "object", factory=user)
    kind, _, argument = user.partition(":")
    if kind in ("scripted", "lsl") and argument:
        return UserSpec(user, kind, argument)
    if kind == "adapting":
        return UserSpec(user, "simulated", learning=_learning(user, argument))
    if user != "simulated":
        raise BadInputError(f"--user: {EXPECTED}; found {user!r:.80}")
    return UserSpec(user, "simulated")


def _learning(user: str, rate: str) -> Learning:
    """As published; or one process of a rate, which forgets nothing."""
    if user == "adapting":
        return PUBLISHED
    try:
        return Learning(slow_rate=checked_number("rate", float(rate), 0, 1))
    except (BadInputError, ValueError):
        raise BadInputError(f"--user: {EXPECTED}; found {user!r:.80}") from None


class CheckedUser:
    """A user of the caller's own, whose errors become one line and whose velocities are checked.

    Parameters
    ----------
    name : str
        For messages.
    user : User
    """

    def __init__(self, name: str, user: User) -> None:
        self._name, self._user = name, user

    def intend(self, view: View) -> Floats:
        """Return the velocity (2,), cm/s, of the user inside; FailureError where it fails or gives none."""
        return velocity_from("--user", self._name, "intend", 2, self._user.intend, view)

    def follow(self, velocity_cm_s: Floats) -> Floats:
        """Return the same while the cursor moves by itself."""
        return velocity_from("--user", self._name, "follow", 2, self._user.follow, velocity_cm_s.copy())


def open_user(
    spec: UserSpec, model: UserModel, extent_cm: float, bin_size_s: float, random: np.random.Generator
) -> User:
    """Make the user of a session, of any kind but one over LSL.

    Parameters
    ----------
    spec : UserSpec
    model : UserModel
        Of a simulated user.
    extent_cm : float > 0, cm
        Side of the workspace.
    bin_size_s : float > 0, s
    random : numpy.random.Generator
        Of a simulated user's noise.

    Raises
    ------
    BadInputError
        If the script can't be read or has no bins, or the caller's own object lacks `intend` or `follow`.
    FailureError
        If the caller's own class or function fails.
    """
    if spec.kind == "simulated":
        kind = SimulatedUser if spec.learning is None else AdaptingUser
        return kind(model, extent_cm, bin_size_s, random)
    if spec.factory is not None:
        with foreign_code(spec.name, "--user"):
            user = spec.factory()
        if not all(callable(getattr(user, method, None)) for method in ("intend", "follow")):
            raise BadInputError(
                f"--user {spec.name}: expected an object with intend(view) and follow(velocity_cm_s), found"
                f" {type(user).__name__}"
            )
        return CheckedUser(spec.name, user)
    arrays = read_arrays(Path(spec.argument))
    if "velocity" not in arrays:
        raise BadInputError(f"{spec.argument}: expected an array velocity, found {', '.join(arrays) or 'none'}")
    if not arrays["velocity"].size:
        raise BadInputError(f"{spec.argument}: expected velocities of one bin at least, found none")
    return ScriptedUser(arrays["velocity"])
