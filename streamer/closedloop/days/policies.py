"""Policies that keep a decoder in step with a population that drifts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.stabilizer import Stabilized
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.days.policy_server import (
    MOST_WARM_UP,
    WARM_UP,
    IsolatedPolicy,
    OwnPolicy,
    warm_up_of,
)
from spikeloop.streamer.closedloop.experiment.record import Block
from spikeloop.streamer.closedloop.experiment.relearning import refit
from spikeloop.streamer.inference.isolation.isolated_decoder import pickled_for_another
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.own_code import named_factory

__all__ = ["MOST_WARM_UP", "Policy", "PolicySpec", "parse_policies"]

EXPECTED = (
    "none, daily, refit, stabilize, refit:TRIALS, stabilize:TRIALS, python:FILE.py:NAME or python:MODULE:NAME, or a"
    " class or function that makes a policy"
)


class Policy(Protocol):
    """What is done to a decoder on each day of a course, until it is closed."""

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

    def close(self) -> None:
        """End what it started."""
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

    def close(self) -> None:
        """There is nothing to end."""


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


def parse_policies(
    policies: str | Sequence[Any], in_process: bool = False, limits: DecoderLimits | None = None
) -> tuple[PolicySpec, ...]:
    """Parse the texts that name policies; or keep classes or functions of the caller's own, which make them.

    Parameters
    ----------
    policies : str or sequence
    in_process : bool, default False
        Whether those of the caller's own live in this process, and not each in one of its own.
    limits : DecoderLimits, optional
        Of those that don't.

    Raises
    ------
    BadInputError
        If one of them can't be, or two have one name.
    FailureError
        If one of the caller's own fails to load.
    """
    given = [policies] if isinstance(policies, str) or not isinstance(policies, Sequence) else policies
    found = tuple(_spec(policy, in_process, limits or DecoderLimits()) for policy in given)
    names = [spec.name for spec in found]
    if not found or len(set(names)) < len(names):
        raise BadInputError(f"--policy: expected different policies, found {', '.join(names) or 'none'}")
    return found


def _spec(policy: Any, in_process: bool, limits: DecoderLimits) -> PolicySpec:
    if not isinstance(policy, str):
        return _own_object(getattr(policy, "__name__", type(policy).__name__), policy, in_process, limits)
    kind, colon, argument = policy.partition(":")
    if kind == "python" and argument:
        if in_process:
            return _here(policy, named_factory(policy, argument, kind, "--policy"))
        return _isolated(policy, None, limits)
    does, learns, make = KINDS.get(kind, ("", False, _Fixed))
    trials = int(argument) if argument.isascii() and argument.isdecimal() and len(argument) < 6 else 0
    if kind not in KINDS or (colon and not (learns and 1 <= trials <= MOST_WARM_UP)):
        raise BadInputError(f"--policy: expected {EXPECTED}, with 1 to {MOST_WARM_UP} trials; found {policy!r:.80}")
    return PolicySpec(policy, does, (trials or WARM_UP) if learns else 0, make, of_latents=kind == "stabilize")


def _own_object(name: str, factory: Any, in_process: bool, limits: DecoderLimits) -> PolicySpec:
    if not callable(factory):
        raise BadInputError(f"--policy {name}: expected {EXPECTED}; found {factory!r:.80}")
    warm_up_of(name, factory)  # which is known here
    pickled = None if in_process else pickled_for_another(name, factory)
    if pickled is None:
        return _here(name, factory)
    return _isolated(name, pickled, limits)


def _here(name: str, factory: Callable[[], Any]) -> PolicySpec:
    """A policy in this process, which is made once to see that it can be."""
    make = partial(OwnPolicy, name, factory)
    make()
    return _own(name, make, warm_up_of(name, factory))


def _isolated(name: str, pickled: bytes | None, limits: DecoderLimits) -> PolicySpec:
    """A policy in a process of its own, which is opened once to see that it can be."""
    make = partial(IsolatedPolicy, name, pickled, limits)
    policy = make()
    policy.close()
    return _own(name, make, policy.warm_up)


def _own(name: str, make: Callable[[], Policy], warm_up: int) -> PolicySpec:
    return PolicySpec(name, "of the caller's own", warm_up, make)
