"""A session: the user watches a cursor move, the decoder learns from it, and then the user moves the cursor through it.

Time passes with the brain's bins. A brain in this process answers as fast as the machine allows; one over LSL
answers when its bin is over, and so brings real time with it.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.decoder import Decoder, decode
from spikeloop.models.decoders.recalibration import intended_velocity
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.measures.decoding import correlation, r_squared
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.streamer.closedloop.brain import Brain
from spikeloop.streamer.closedloop.perturbations import Perturbation, PerturbedLoop
from spikeloop.streamer.closedloop.record import (
    NO_AIM,
    Aim,
    Block,
    BlockName,
    BlockRecorder,
    Moment,
    Offline,
    SessionRecord,
    Watcher,
)
from spikeloop.streamer.closedloop.tasks import CenterOut, Target, Task
from spikeloop.streamer.closedloop.trials import Event, TrialMachine
from spikeloop.streamer.closedloop.users import User, View
from spikeloop.streamer.source import seeded

__all__ = ["USER", "LiveDecoder", "Plan", "run_session"]

Floats = NDArray[np.float64]

TARGETS, USER, PERTURBATIONS = 100, 101, 200  # purposes of random numbers; each perturbation has its own
HELD_OUT = 0.2  # of the calibration block, its end, on which decoders are judged offline
LEAST_CALIBRATION_S, LEAST_CALIBRATION_BINS = 10.0, 20  # of the decoder's
LONGEST_CALIBRATION_S = 36000.0


@dataclass(frozen=True)
class Plan:
    """What a session does.

    Attributes
    ----------
    trials : of the closed loop
    calibration_s : length of the observation block before it; 0 for none, where the decoder has learned already
    recalibrate_after : trials of a first closed loop, from which the decoder then learns anew; 0 for none
    gain, smoothing : of the decoded velocity
    decoder_bins : of the brain, that the decoder takes as one
    seed : of targets, user and perturbations; the brain has its own
    """

    task: Task = field(default_factory=CenterOut)
    trials: int = 64
    calibration_s: float = 180.0
    recalibrate_after: int = 0
    gain: float = 1.0
    smoothing: float = 0.0
    decoder_bins: int = 1
    perturbations: tuple[Perturbation, ...] = ()
    seed: int = 0


class LiveDecoder(Decoder, Protocol):
    """A decoder that exists only inside the loop, and can't be asked again about the calibration block."""

    live: Literal[True]


def run_session(
    plan: Plan, brain: Brain, user: User, decoder: Decoder, watchers: Sequence[Watcher] = ()
) -> SessionRecord:
    """Run a session to its end.

    A failure of brain, user or decoder, or Ctrl-C, fails the trial under way ("lost") and ends the session; the
    record tells what was done until then.

    Parameters
    ----------
    decoder : not yet fitted; gain, smoothing and bins of the plan are put around it

    Raises
    ------
    BadInputError
        If the plan can't be carried out.
    """
    _check(plan, brain)
    return _Session(plan, brain, user, decoder, watchers).run()


def _check(plan: Plan, brain: Brain) -> None:
    if plan.trials < 1 or plan.recalibrate_after < 0 or plan.seed < 0:
        raise BadInputError(
            f"expected 1 trial or more, 0 or more before recalibration and a seed of 0 or more, found {plan.trials},"
            f" {plan.recalibrate_after} and {plan.seed}"
        )
    if plan.recalibrate_after and not plan.gain > 0:
        raise BadInputError(f"--gain: expected more than 0 with --recalibrate, found {plan.gain:g}")
    longest, decoder_bin_s = plan.task.timeout_s / 2, plan.decoder_bins * brain.bin_size_s
    if not 1 <= plan.decoder_bins <= longest / brain.bin_size_s:
        raise BadInputError(
            f"--decoder-bin: expected {1000 * brain.bin_size_s:g} to {1000 * longest:g} ms, found"
            f" {1000 * decoder_bin_s:g}"
        )
    least = max(LEAST_CALIBRATION_S, LEAST_CALIBRATION_BINS * decoder_bin_s)
    if plan.calibration_s and not least <= plan.calibration_s <= LONGEST_CALIBRATION_S:
        raise BadInputError(
            f"--calibration: expected 0 or {least:g} to {LONGEST_CALIBRATION_S:g} s, found {plan.calibration_s:g}"
        )


class _Session:
    """One run of a plan; the parts below are its blocks in their order."""

    def __init__(self, plan: Plan, brain: Brain, user: User, decoder: Decoder, watchers: Sequence[Watcher]) -> None:
        self._plan, self._brain, self._user, self._watchers = plan, brain, user, watchers
        self._inner = decoder
        binned = Binned(decoder, plan.decoder_bins) if plan.decoder_bins > 1 else decoder
        self._decoder = Shaped(binned, plan.gain, plan.smoothing)
        self._live = getattr(decoder, "live", False)
        self._units = len(brain.unit_names)
        self._perturbed = PerturbedLoop(
            plan.perturbations, self._units, brain.bin_size_s, lambda number: seeded(plan.seed, PERTURBATIONS + number)
        )
        self._position, self._velocity = np.zeros(2), np.zeros(2)
        self._decoded = np.zeros(2)
        self._blocks: list[BlockRecorder] = []
        self._trials: list[tuple[BlockRecorder, TrialMachine]] = []
        self._offline: Offline | None = None

    def run(self) -> SessionRecord:
        plan, failure, interrupted = self._plan, "", False
        targets = plan.task.targets(plan.recalibrate_after + plan.trials, seeded(plan.seed, TARGETS))
        try:
            if plan.calibration_s:
                self._calibrate()
            if plan.recalibrate_after:
                self._close_loop("before recalibration", targets[: plan.recalibrate_after])
                self._recalibrate()
            self._close_loop("closed loop", targets[plan.recalibrate_after :])
        except SpikeloopError as error:
            failure = str(error)
        except KeyboardInterrupt:
            failure, interrupted = "interrupted", True
        self._give_up()
        return SessionRecord(
            bin_size_s=self._brain.bin_size_s,
            blocks=tuple(each.block() for each in self._blocks),
            trials=tuple(block.trial(trial) for block, trial in self._trials),
            events=tuple((block.name, event) for block, trial in self._trials for event in trial.events),
            offline=self._offline,
            failure=failure,
            interrupted=interrupted,
        )

    def _calibrate(self) -> None:
        """The cursor moves by itself, and the user imagines moving it; then the decoder learns."""
        bins = round(self._plan.calibration_s / self._brain.bin_size_s)
        reaches = random_reaches(bins, self._brain.bin_size_s, self._plan.seed)
        block = self._begin("calibration")
        for velocity, position in zip(reaches.velocity_cm_s, reaches.position_cm, strict=True):
            intention = self._user.follow(velocity)
            counts = self._brain.respond(intention, self._position)
            self._position, self._velocity = position, velocity
            self._note(block, counts, intention)
        self._learn(block.block())

    def _learn(self, block: Block) -> None:
        """Fit the decoder to all but the end of a calibration block, and judge it there."""
        fitted = math.ceil(len(block.counts) * (1 - HELD_OUT))
        self._fit("calibration", block.counts[:fitted], block.velocity[:fitted])
        if self._live:
            return
        bins = self._plan.decoder_bins
        held = slice(fitted, fitted + (len(block.counts) - fitted) // bins * bins)
        counts = block.counts[held].reshape(-1, bins, self._units).sum(axis=1, dtype=np.int64)
        decoded = decode(self._inner, counts).repeat(bins, axis=0)  # what is decoded from a wide bin holds over it
        truth = block.velocity[held]
        self._offline = Offline(_pair(r_squared(truth, decoded)), _pair(correlation(truth, decoded)))

    def _close_loop(self, name: BlockName, targets: Sequence[Target]) -> None:
        """The user moves the cursor through brain and decoder, target after target."""
        block = self._begin(name)
        self._position, self._velocity = np.zeros(2), np.zeros(2)
        for index, target in enumerate(targets, len(self._trials)):
            trial = TrialMachine(self._plan.task, target, self._brain.bin_size_s, index)
            self._trials.append((block, trial))
            while trial.outcome is None:
                self._step(block, trial)

    def _step(self, block: BlockRecorder, trial: TrialMachine) -> None:
        """One bin of the closed loop."""
        begun = self._perturbed.begin_bin()
        aim = Aim(trial.index, trial.shown, trial.on_target)
        intention = self._user.intend(View(self._position, self._velocity, aim.target))
        counts = self._brain.respond(self._perturbed.intention(intention), self._position)
        arrived = self._perturbed.counts(counts)
        if arrived is not None:
            self._decoded = self._decoder.step(arrived)
        if aim.target is None and self._plan.task.recentres:  # it is held there until the target appears
            self._position, self._velocity = np.zeros(2), np.zeros(2)
            self._perturbed.velocity(self._decoded)
        else:
            self._velocity = self._perturbed.velocity(self._decoded)
            half = self._plan.task.extent_cm / 2
            moved = self._position + self._velocity * self._brain.bin_size_s
            self._position = np.minimum(np.maximum(moved, -half), half)
        events = trial.step(len(block), self._position)
        self._note(block, arrived, intention, aim, trial.shown, events, begun)

    def _recalibrate(self) -> None:
        """The decoder learns anew from the closed loop, by what its user must have intended (Gilja et al. 2012)."""
        block = self._blocks[-1].block()
        known = block.arrived & np.isfinite(block.target).all(axis=1)
        decoded = block.velocity[known] / self._plan.gain  # which comes on top of what is learned
        intended = intended_velocity(decoded, block.start[known], block.target[known], block.on_target[known])
        self._fit("recalibration", block.counts[known], intended)

    def _fit(self, occasion: str, counts: NDArray[Any], velocity: Floats) -> None:
        try:
            self._decoder.fit(counts, velocity)
        except BadInputError as error:
            raise FailureError(f"{occasion}: {error}") from error

    def _give_up(self) -> None:
        """The session is over, and with it the trial under way; watchers are shown that it is lost."""
        if self._trials and self._trials[-1][1].outcome is None:
            block, trial = self._trials[-1]
            trial.give_up(len(block))
            lost, view = trial.events[-1:], View(self._position, self._velocity, None)
            with suppress(KeyboardInterrupt, SpikeloopError):  # nothing of the record is lost to a second one
                for watcher in self._watchers:
                    watcher.show(Moment(block.name, len(block), view, np.zeros(2), lost, passed=False))

    def _begin(self, name: BlockName) -> BlockRecorder:
        self._blocks.append(BlockRecorder(name, self._units))
        return self._blocks[-1]

    def _note(
        self,
        block: BlockRecorder,
        counts: NDArray[Any] | None,
        intention: Floats,
        aim: Aim = NO_AIM,
        shown: Target | None = None,
        events: Sequence[Event] = (),
        begun: Sequence[Perturbation] = (),
    ) -> None:
        """Write a bin down, and show it, with the target that is shown from now on."""
        view = View(self._position, self._velocity, shown)
        moment = Moment(block.name, len(block), view, intention, events, begun)
        block.add(moment, counts, aim)
        for watcher in self._watchers:
            watcher.show(moment)


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])
