"""Decoders compared: each has the same sessions, of the same seeds."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.files import read_arrays
from spikeloop.streamer.closedloop.brain import Brain, BundleBrain
from spikeloop.streamer.closedloop.decoders import BUILT_IN, open_decoder
from spikeloop.streamer.closedloop.lsl_user import LslUser
from spikeloop.streamer.closedloop.mqtt_screen import MqttScreen
from spikeloop.streamer.closedloop.oracle import OracleDecoder, RememberedUser
from spikeloop.streamer.closedloop.real_time import RealTime, RealTimeReport
from spikeloop.streamer.closedloop.record import SessionRecord, Watcher
from spikeloop.streamer.closedloop.session import USER, Plan, run_session
from spikeloop.streamer.closedloop.users import ScriptedUser, SimulatedUser, User, UserModel, practised
from spikeloop.streamer.lsl import import_pylsl
from spikeloop.streamer.mqtt.address import MqttAddress
from spikeloop.streamer.session import Device
from spikeloop.streamer.source import seeded

__all__ = [
    "Clock",
    "FewerUnits",
    "Loop",
    "OpenLoop",
    "Run",
    "Setup",
    "open_real",
    "open_simulated",
    "opener",
    "run_comparison",
]

Clock = Literal["simulated", "real"]

UNITS = 104  # purpose of random numbers
LSL, ORACLE = "lsl:", "oracle"
LEARNERS = (*BUILT_IN, "sklearn")
OF_COUNTS = ("drop", "drift", "noise", "loss")  # perturbations of what a decoder of ours is given
USERS = "expected simulated, scripted:FILE.npz (array velocity: bins x 2, cm/s) or lsl:STREAM"


@dataclass(frozen=True, eq=False)
class Setup:
    """What is compared.

    Attributes
    ----------
    bundle : as asked for, by name or path
    decoders : each once; the first is what the others are compared with
    plan : of every session; its seed is the first session's, the others' follow
    units : of the population, that reach the decoder; None for all
    name : of LSL streams and MQTT topics, where there are any
    mqtt : the broker that is told the screen of a session on a real clock; None for none
    """

    bundle: str
    loaded: Bundle
    user: str
    decoders: tuple[str, ...]
    plan: Plan
    sessions: int = 1
    units: int | None = None
    device: Device = "auto"
    name: str = "spikeloop"
    mqtt: MqttAddress | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a session."""
        return tuple(range(self.plan.seed, self.plan.seed + self.sessions))

    @property
    def user_model(self) -> UserModel:
        """Of the simulated user, who has practised with the plan's gain and smoothing."""
        return practised(UserModel(), self.plan.gain, self.plan.smoothing, self.loaded.card.bin_size_s)


@dataclass(frozen=True, eq=False)
class Loop:
    """The parts of a session.

    Attributes
    ----------
    report : called once they are closed; what a real clock tells of the session
    """

    brain: Brain
    user: User
    decoder: Decoder
    watchers: Sequence[Watcher] = ()
    report: Callable[[], RealTimeReport | None] = lambda: None


@dataclass(frozen=True, eq=False)
class Run:
    """A session of a decoder."""

    decoder: str
    seed: int
    record: SessionRecord
    real_time: RealTimeReport | None = None


OpenLoop = Callable[[Setup, str, int], AbstractContextManager[Loop]]  # for a decoder and a seed


def run_comparison(
    setup: Setup, open_loop: OpenLoop, watch: Callable[[str, int], Watcher] | None = None
) -> Iterator[Run]:
    """Run every session, seed after seed, each with all decoders; one that fails doesn't end the others.

    Parameters
    ----------
    watch : called before each session, with its decoder and seed, for who is shown it besides

    Raises
    ------
    BadInputError, FailureError
        If a session can't begin.
    """
    for seed in setup.seeds:
        for decoder in setup.decoders:
            watchers = (watch(decoder, seed),) if watch is not None else ()
            with open_loop(setup, decoder, seed) as loop:
                plan = dataclasses.replace(setup.plan, seed=seed)
                record = run_session(plan, loop.brain, loop.user, loop.decoder, (*watchers, *loop.watchers))
            yield Run(decoder, seed, record, loop.report())
            if record.interrupted:
                return


@contextmanager
def open_simulated(setup: Setup, decoder: str, seed: int) -> Iterator[Loop]:
    """All parts in this process, as fast as the machine allows."""
    brain = BundleBrain(setup.loaded, setup.plan.task.extent_cm, seed, setup.device)
    yield _close_loop(setup, brain, _open_user(setup, seed), decoder, seed)


@contextmanager
def open_real(setup: Setup, decoder: str, seed: int) -> Iterator[Loop]:
    """The brain in a process of its own, over LSL; user and decoder over LSL too, where they are asked for so."""
    with ExitStack() as opened:
        stream = setup.user.removeprefix(LSL)
        user = _open_user(setup, seed) if stream == setup.user else opened.enter_context(LslUser(stream))
        extent_cm = setup.plan.task.extent_cm
        real = opened.enter_context(RealTime(setup.bundle, setup.loaded, setup.name, extent_cm, seed, setup.device))
        if decoder.startswith(LSL):
            loop = Loop(real.brain, user, real.decoder_over(decoder.removeprefix(LSL)))
        else:
            loop = _close_loop(setup, real.brain, user, decoder, seed)
            loop = dataclasses.replace(loop, decoder=real.decoder(loop.decoder))
        watchers = real.watchers
        if setup.mqtt is not None:
            now = import_pylsl().local_clock
            watchers = (*watchers, opened.enter_context(MqttScreen(setup.mqtt, setup.name, now)))
        yield dataclasses.replace(loop, watchers=watchers, report=real.report)


def _close_loop(setup: Setup, brain: Brain, user: User, decoder: str, seed: int) -> Loop:
    """Put a decoder that lives in this process between brain and user."""
    if setup.units is not None:
        brain = FewerUnits(brain, setup.units, seeded(seed, UNITS))
    if decoder == ORACLE:
        remembered = RememberedUser(user)
        return Loop(brain, remembered, OracleDecoder(remembered))
    units = len(brain.unit_names)
    return Loop(brain, user, open_decoder(decoder, units=units, bin_size_s=brain.bin_size_s, seed=seed))


def _open_user(setup: Setup, seed: int) -> User:
    """The user that was asked for, where it isn't one over LSL."""
    kind, _, path = setup.user.partition(":")
    if setup.user == "simulated":
        bin_size_s = setup.loaded.card.bin_size_s
        return SimulatedUser(setup.user_model, setup.plan.task.extent_cm, bin_size_s, seeded(seed, USER))
    if kind != "scripted" or not path:
        raise BadInputError(f"--user: {USERS}; found {setup.user!r:.80}")
    arrays = read_arrays(Path(path))
    if "velocity" not in arrays:
        raise BadInputError(f"{path}: expected an array velocity, found {', '.join(arrays) or 'none'}")
    return ScriptedUser(arrays["velocity"])


def opener(setup: Setup, clock: Clock) -> OpenLoop:
    """What opens the sessions of a clock; before any runs, rather than after some, it is checked that all can.

    Raises
    ------
    BadInputError, FailureError
        If a decoder can't be had, is there twice or has nothing to learn from, or something doesn't suit the clock.
    """
    every = len(setup.loaded.card.unit_names)
    if setup.units is not None and not 1 <= setup.units <= every:
        raise BadInputError(f"--units: expected 1 to {every}, found {setup.units}")
    if not setup.decoders or len(set(setup.decoders)) < len(setup.decoders):
        raise BadInputError(f"--decoder: expected different decoders, found {', '.join(setup.decoders) or 'none'}")
    if clock == "simulated":
        _refuse_lsl(setup)
        if setup.mqtt is not None:
            raise BadInputError("--mqtt: devices live in real time, found a simulated clock; add --clock real")
    for decoder in setup.decoders:
        _check_decoder(setup, decoder)
    return open_simulated if clock == "simulated" else open_real


def _refuse_lsl(setup: Setup) -> None:
    for option, text in (("--user", setup.user), *(("--decoder", each) for each in setup.decoders)):
        if text.startswith(LSL):
            raise BadInputError(f"{option} {text}: lives in real time, found a simulated clock; add --clock real")


def _check_decoder(setup: Setup, decoder: str) -> None:
    plan, card = setup.plan, setup.loaded.card
    learns = decoder.partition(":")[0] in LEARNERS
    if not plan.calibration_s and (learns or plan.decoder_bins > 1):
        raise BadInputError(
            "--calibration: expected at least 10 s"
            + (f", as {decoder} learns from it" if learns else " with --decoder-bin")
            + ", found 0; or take a decoder that has learned already, such as onnx:FILE"
        )
    if decoder.startswith(LSL):
        if decoder == LSL:
            raise BadInputError("--decoder: expected the name of a stream after lsl:, found none")
        kept_from = [f"--perturb {each}" for each in plan.perturbations if each.kind in OF_COUNTS]
        kept_from += ["--units"] if setup.units is not None else []
        kept_from += ["--decoder-bin"] if plan.decoder_bins > 1 else []
        if kept_from:
            raise BadInputError(
                f"{kept_from[0]}: can't reach --decoder {decoder}, which takes the counts from the stream itself;"
                " leave it out, or take a decoder in this process"
            )
    elif decoder != ORACLE:
        open_decoder(decoder, units=setup.units or len(card.unit_names), bin_size_s=card.bin_size_s, seed=plan.seed)


class FewerUnits:
    """A brain of which only some units are recorded; the smaller of two choices of a seed is part of the larger.

    Parameters
    ----------
    units : at most as many as it has
    """

    def __init__(self, brain: Brain, units: int, random: np.random.Generator) -> None:
        self._brain, self._chosen = brain, np.sort(random.permutation(len(brain.unit_names))[:units])
        self.unit_names = tuple(brain.unit_names[each] for each in self._chosen)
        self.bin_size_s = brain.bin_size_s

    def respond(self, velocity_cm_s: NDArray[np.float64], position_cm: NDArray[np.float64]) -> NDArray[Any]:
        """Counts, (units,), of the next bin."""
        return self._brain.respond(velocity_cm_s, position_cm)[self._chosen]
