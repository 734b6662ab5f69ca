"""Policies that keep a decoder in step with a population that drifts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import missing_methods
from spikeloop.models.decoders.stabilizer import Stabilized
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.record import Block
from spikeloop.streamer.closedloop.experiment.relearning import refit
from spikeloop.streamer.inference.own_code import foreign_code, named_factory

__all__ = ["MOST_WARM_UP", "Policy", "PolicySpec", "parse_policies"]

WARM_UP, MOST_WARM_UP = 32, 10_000  # trials, from which a policy may learn each day
EXPECTED = (
    "none, daily, refit, stabilize, refit:TRIALS, stabilize:TRIALS, python:FILE.py:NAME or python:MODULE:NAME, or a"
    " class or function that makes a policy"
)


class Policy(Protocol):
    """What is done to a decoder on each day."""

    def wrap(self, decoder: Decoder) -> Decoder:
        """Put something around the decoder, before its first fit; or return it as it is."""
        ...

    def calibrates(self, day: int) -> bool:
        """Whether a day begins with a calibration, in which the user watches; day 0 always does."""
        ...

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:
        """Learn from the first trials of a day, those that aren't judged.

        Parameters
        ----------
        decoder : Decoder
            With whatever is around it.
        block : Block
            What happened, bin by bin.
        gain : float > 0
            On the decoded velocity.
        """
        ...


@dataclass(frozen=True)
class PolicySpec:
    """A policy that was asked for.

    Attributes
    ----------
    name : str
        Label in reports.
    does : str
        For people.
    warm_up : int >= 0
        Trials of each day that it needs before those that are judged; each policy of a comparison has those of the
        one that needs most.
    make : callable without arguments
        Makes the policy of a course of days.
    of_latents : bool, default False
        Whether the decoder receives latents, which it has to be fitted to.
    """

    name: str
    does: str
    warm_up: int
    make: Callable[[], Policy]
    of_latents: bool = False


class _Fixed:
    """The decoder of day 0; the base of policies that change one thing."""

    def wrap(self, decoder: Decoder) -> Decoder:
        return decoder

    def calibrates(self, day: int) -> bool:
        return day == 0

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:
        """Nothing is learned."""


class _Daily(_Fixed):
    def calibrates(self, day: int) -> bool:  # noqa: ARG002
        return True


class _Refit(_Fixed):
    """Takes speeds for those of day 0: else they sink from day to day, as a regression gives less than it learned."""

    def __init__(self) -> None:
        self._speed: float | None = None

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:
        speed = _speed_towards_targets(block)
        if self._speed is None:
            self._speed = speed
        refit(decoder, block, gain, faster=self._speed / speed if speed > 0 else 1.0)


def _speed_towards_targets(block: Block) -> float:
    """Root mean square, cm/s, while a target is shown that isn't reached."""
    moving = block.arrived & np.isfinite(block.target).all(axis=1) & ~block.on_target
    return float(np.sqrt(np.square(block.velocity[moving]).sum(axis=1).mean())) if moving.any() else 0.0


class _Stabilize(_Fixed):
    def wrap(self, decoder: Decoder) -> Decoder:
        self._stabilized = Stabilized(decoder)
        return self._stabilized

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:  # noqa: ARG002
        self._stabilized.update(block.counts[block.arrived], _at_rest(block)[block.arrived])


def _at_rest(block: Block) -> NDArray[np.bool_]:
    """The later half of each pause between trials, when the user has seen that the target is gone."""
    paused = ~np.isfinite(block.target[:, 0])
    found = np.zeros(paused.shape, bool)
    for run in np.split(np.arange(len(paused)), np.flatnonzero(np.diff(paused)) + 1):
        if len(run) and paused[run[0]]:
            found[run[len(run) // 2 :]] = True
    return found


class _Own(_Fixed):
    """A policy of the caller's own, of which every method but one may be missing."""

    def __init__(self, name: str, policy: Any) -> None:
        self._name, self._policy = name, policy

    def wrap(self, decoder: Decoder) -> Decoder:
        if not hasattr(self._policy, "wrap"):
            return decoder
        wrapped = self._call("wrap", decoder)
        if missing := missing_methods(wrapped):
            raise BadInputError(
                f"--policy {self._name}: expected wrap to give a decoder with fit and step, found"
                f" {type(wrapped).__name__} without {' and '.join(missing)}"
            )
        return wrapped

    def calibrates(self, day: int) -> bool:
        return bool(self._call("calibrates", day)) if hasattr(self._policy, "calibrates") else super().calibrates(day)

    def relearn(self, decoder: Decoder, block: Block, gain: float) -> None:
        self._call("relearn", decoder, block, gain)

    def _call(self, method: str, *given: Any) -> Any:
        with foreign_code(self._name, "--policy"):
            return getattr(self._policy, method)(*given)


KINDS: dict[str, tuple[str, bool, Callable[[], Policy]]] = {
    "none": ("the decoder of day 0, as it is", False, _Fixed),
    "daily": ("a calibration at the beginning of each day", False, _Daily),
    "refit": ("fitted each day to the velocity intended in its first trials (Gilja et al. 2012)", True, _Refit),
    "stabilize": (
        "latents of each day's first trials turned to those of day 0, without labels (Degenhart et al. 2020)",
        True,
        _Stabilize,
    ),
}


def parse_policies(policies: str | Sequence[Any]) -> tuple[PolicySpec, ...]:
    """Parse the texts that name policies; or keep classes or functions of the caller's own, which make them.

    Raises
    ------
    BadInputError
        If one of them can't be, or two have one name.
    """
    given = [policies] if isinstance(policies, str) or not isinstance(policies, Sequence) else policies
    found = tuple(_spec(policy) for policy in given)
    names = [spec.name for spec in found]
    if not found or len(set(names)) < len(names):
        raise BadInputError(f"--policy: expected different policies, found {', '.join(names) or 'none'}")
    return found


def _spec(policy: Any) -> PolicySpec:
    if not isinstance(policy, str):
        return _own(getattr(policy, "__name__", type(policy).__name__), policy)
    kind, colon, argument = policy.partition(":")
    if kind == "python" and argument:
        return _own(policy, named_factory(policy, argument, kind, "--policy"))
    does, learns, make = KINDS.get(kind, ("", False, _Fixed))
    trials = int(argument) if argument.isascii() and argument.isdecimal() and len(argument) < 6 else 0
    if kind not in KINDS or (colon and not (learns and 1 <= trials <= MOST_WARM_UP)):
        raise BadInputError(f"--policy: expected {EXPECTED}, with 1 to {MOST_WARM_UP} trials; found {policy!r:.80}")
    return PolicySpec(policy, does, (trials or WARM_UP) if learns else 0, make, of_latents=kind == "stabilize")


def _own(name: str, factory: Any) -> PolicySpec:
    if not callable(factory):
        raise BadInputError(f"--policy {name}: expected {EXPECTED}; found {factory!r:.80}")

    def make() -> Policy:
        with foreign_code(name, "--policy"):
            policy = factory()
        if not callable(getattr(policy, "relearn", None)):
            raise BadInputError(
                f"--policy {name}: expected an object with relearn(decoder, block, gain), and wrap and calibrates where"
                f" it needs them; found {type(policy).__name__}"
            )
        return _Own(name, policy)

    warm_up = getattr(factory.func if isinstance(factory, partial) else factory, "warm_up", WARM_UP)
    if not isinstance(warm_up, int) or not 0 <= warm_up <= MOST_WARM_UP:
        raise BadInputError(
            f"--policy {name}: expected warm_up, a number of trials up to {MOST_WARM_UP}; found {warm_up!r}"
        )
    return PolicySpec(name, "of the caller's own", warm_up, make)
