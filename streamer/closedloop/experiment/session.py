"""A session: the user watches a cursor move, the decoder learns from it, and then the user moves the cursor through it.

Time passes with the population's bins. A population in this process answers as fast as the machine allows; one over LSL
answers when its bin is over, and so brings real time with it.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.binned import Binned
from spikeloop.models.decoders.decoder import Decoder, decode, sees_position, status_of, step_spikes
from spikeloop.models.decoders.shaping import Shaped
from spikeloop.models.decoders.step_spikes import StepSpikes, joined
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.measures.decoding_scores import correlation, r_squared
from spikeloop.models.measures.falcon_scores import variance_weighted_r_squared
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.streamer.closedloop.experiment.brain import SimulatedPopulation
from spikeloop.streamer.closedloop.experiment.cursor_loop import BinStart, CursorLoop
from spikeloop.streamer.closedloop.experiment.plan import Plan, check_plan
from spikeloop.streamer.closedloop.experiment.record import (
    NO_AIM,
    Block,
    BlockName,
    BlockRecorder,
    Moment,
    Offline,
    SessionRecord,
    Watcher,
)
from spikeloop.streamer.closedloop.experiment.relearning import Relearn, refit
from spikeloop.streamer.closedloop.experiment.spike_times import SpikeTimer
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.trials import Event, TrialMachine
from spikeloop.streamer.closedloop.experiment.users import User

__all__ = ["HELD_OUT", "run_session"]

HELD_OUT = 0.2  # of the calibration block, its end, on which decoders are judged offline


def run_session(
    plan: Plan,
    population: SimulatedPopulation,
    user: User,
    decoder: Decoder,
    watchers: Sequence[Watcher] = (),
    relearn: Relearn = refit,
) -> SessionRecord:
    """Run a session to its end.

    A failure of population, user or decoder, or Ctrl-C, fails the trial under way ("lost") and ends the session; the
    record holds what was done until then.

    Parameters
    ----------
    plan : Plan
    population : SimulatedPopulation
    user : User
    decoder : Decoder
        Not yet fitted; gain, smoothing and bins of the plan are put around it.
    watchers : sequence of Watcher
        Shown each bin.
    relearn : callable (Decoder, Block, gain), default `refit`
        Called after the plan's trials before recalibration.

    Raises
    ------
    BadInputError
        If the plan can't be carried out.
    """
    check_plan(plan, population.bin_size_s)
    return _Session(plan, population, user, decoder, watchers, relearn).run()


class _Session:
    """One run of a plan; the methods are its blocks in their order."""

    def __init__(
        self,
        plan: Plan,
        population: SimulatedPopulation,
        user: User,
        decoder: Decoder,
        watchers: Sequence[Watcher],
        relearn: Relearn,
    ) -> None:
        self._plan, self._watchers, self._inner, self._relearn = plan, watchers, decoder, relearn
        self._units, self._bin_size_s = len(population.unit_names), population.bin_size_s
        binned = Binned(decoder, plan.decoder_bins) if plan.decoder_bins > 1 else decoder
        self._decoder, self._decoded = Shaped(binned, plan.gain, plan.smoothing), np.zeros(2)
        self._loop = CursorLoop(plan.task, population, user, plan.perturbations, plan.seed, plan.observation_gain)
        self._feedback = sees_position(decoder)
        times = random_stream(plan.seed, Purpose.DECODER_EVENT_TIMES)
        self._timer = SpikeTimer(population, times) if status_of(decoder).events else None
        self._blocks: list[BlockRecorder] = []
        self._trials: list[tuple[BlockRecorder, TrialMachine]] = []
        self._offline: Offline | None = None
        self._decoder_failed = False

    def run(self) -> SessionRecord:
        plan, failure, interrupted = self._plan, "", False
        targets = plan.task.targets(plan.recalibrate_after + plan.trials, random_stream(plan.seed, Purpose.TARGETS))
        try:
            self._run_blocks(targets)
        except SpikeloopError as error:
            failure = str(error)
        except KeyboardInterrupt:
            failure, interrupted = "interrupted", True
        self._give_up()
        return SessionRecord(
            bin_size_s=self._bin_size_s,
            blocks=tuple(block.block() for block in self._blocks),
            trials=tuple(block.trial(trial) for block, trial in self._trials),
            events=tuple((block.name, event) for block, trial in self._trials for event in trial.events),
            offline=self._offline,
            failure=failure,
            interrupted=interrupted,
            decoder_failed=self._decoder_failed,
        )

    def _run_blocks(self, targets: Sequence[Target]) -> None:
        first = self._plan.recalibrate_after
        if self._plan.calibration_s:
            self._calibrate()
        if first:
            self._close_loop("before recalibration", targets[:first])
            self._recalibrate()
        self._close_loop("closed loop", targets[first:])
        if self._plan.scored_s and not status_of(self._decoder).live:
            self._score()

    def _calibrate(self) -> None:
        """The cursor moves by itself, and the user imagines moving it; then the decoder learns."""
        block = self._begin("calibration")
        spikes = self._observe(block, self._plan.calibration_s)
        self._learn(block.block(), spikes)

    def _observe(self, block: BlockRecorder, seconds: float) -> list[StepSpikes]:
        """The user watches a cursor that moves by itself; return the spikes of a decoder of spikes."""
        reaches, spikes = random_reaches(round(seconds / self._bin_size_s), self._bin_size_s, self._plan.seed), []
        for velocity, position in zip(reaches.velocity_cm_s, reaches.position_cm, strict=True):
            counts, intended = self._loop.follow(velocity, position)
            spikes.append(self._spikes(counts))
            self._record(block, BinStart(NO_AIM, intended, counts, ()))
        return [step for step in spikes if step is not None]

    def _learn(self, block: Block, spikes: Sequence[StepSpikes]) -> None:
        """Fit the decoder to all but the end of a calibration block, and judge it there."""
        fitted = math.ceil(len(block.counts) * (1 - HELD_OUT))
        if self._feedback is not None:
            self._feedback.see_training(block.start[:fitted])
        with _said_as("calibration"), self._of_decoder():
            self._decoder.fit(block.counts[:fitted], block.velocity[:fitted])
        if not status_of(self._decoder).live:
            self._offline = self._judge(block, spikes, fitted)

    def _score(self) -> None:
        """The user watches once more, and the decoder only decodes."""
        block = BlockRecorder("calibration", self._units)  # of which nothing is kept
        spikes = self._observe(block, self._plan.scored_s)
        self._offline = self._judge(block.block(), spikes, 0)

    def _judge(self, block: Block, spikes: Sequence[StepSpikes], first: int) -> Offline:
        """Decode an observation from a bin on, and compare it with what the cursor did."""
        bins = self._plan.decoder_bins
        held = slice(first, first + (len(block.counts) - first) // bins * bins)
        counts = block.counts[held].reshape(-1, bins, self._units).sum(axis=1, dtype=np.int64)
        runs = (
            [joined(spikes[begin : begin + bins]) for begin in range(held.start, held.stop, bins)] if spikes else None
        )
        with self._of_decoder():
            decoded = self._decode(counts, block.start[held][::bins], runs)
        decoded = decoded.repeat(bins, axis=0)  # what is decoded from a wide bin holds over it
        truth = block.velocity[held]
        together = variance_weighted_r_squared(truth, decoded)
        return Offline(_pair(r_squared(truth, decoded)), _pair(correlation(truth, decoded)), together)

    def _decode(self, counts: Counts, position_cm: Floats, spikes: Sequence[StepSpikes] | None) -> Floats:
        """Decode bins one after another, outside the loop."""
        if self._feedback is None:
            return decode(self._inner, counts, spikes)
        decoded = []
        for bin_counts, position in zip(counts, position_cm, strict=True):
            self._feedback.see(position)
            decoded.append(self._inner.step(bin_counts))
        return np.stack(decoded)

    def _close_loop(self, name: BlockName, targets: Sequence[Target]) -> None:
        """The user moves the cursor through population and decoder, target after target."""
        block = self._begin(name)
        self._loop.centre()
        for index, target in enumerate(targets, len(self._trials)):
            trial = TrialMachine(self._plan.task, target, self._bin_size_s, index)
            self._trials.append((block, trial))
            while trial.outcome is None:
                self._step(block, trial)

    def _step(self, block: BlockRecorder, trial: TrialMachine) -> None:
        """One bin of the closed loop; where no counts arrive, the velocity stays as last decoded."""
        start = self._loop.begin_bin(trial)
        if self._feedback is not None:
            self._feedback.see(self._loop.position_cm)
        spikes = self._spikes(start.counts)
        with self._of_decoder():
            if spikes is not None:
                self._decoded = step_spikes(self._decoder, spikes)
            elif start.counts is not None:
                self._decoded = self._decoder.step(start.counts)
        events = self._loop.end_bin(start, trial, self._decoded, len(block))
        self._record(block, start, trial.shown, events)

    def _spikes(self, counts: Counts | None) -> StepSpikes | None:
        """The bin's spikes with their times; None where none arrive, or the decoder takes counts."""
        return self._timer.next(counts) if self._timer is not None else None

    def _recalibrate(self) -> None:
        """The decoder learns anew from the closed loop."""
        with _said_as("recalibration"), self._of_decoder():
            self._relearn(self._decoder, self._blocks[-1].block(), self._plan.gain)

    @contextmanager
    def _of_decoder(self) -> Iterator[None]:
        """What is raised in here is a failure of the decoder."""
        try:
            yield
        except SpikeloopError:
            self._decoder_failed = True
            raise

    def _give_up(self) -> None:
        """The session is over, and with it the trial under way; watchers are shown that it is lost."""
        if self._trials and self._trials[-1][1].outcome is None:
            block, trial = self._trials[-1]
            trial.give_up(len(block))
            lost, view = trial.events[-1:], self._loop.view(None)
            with suppress(KeyboardInterrupt, SpikeloopError):  # nothing of the record is lost to a second one
                for watcher in self._watchers:
                    watcher.show(Moment(block.name, len(block), view, np.zeros(2), lost, passed=False))

    def _begin(self, name: BlockName) -> BlockRecorder:
        self._blocks.append(BlockRecorder(name, self._units))
        return self._blocks[-1]

    def _record(
        self, block: BlockRecorder, start: BinStart, shown: Target | None = None, events: Sequence[Event] = ()
    ) -> None:
        """Record a bin, and show it, with the target that is shown from now on."""
        moment = Moment(block.name, len(block), self._loop.view(shown), start.intended_velocity, events, start.begun)
        block.add(moment, start.counts, start.aim)
        for watcher in self._watchers:
            watcher.show(moment)


@contextmanager
def _said_as(occasion: str) -> Iterator[None]:
    """What can't be learned from is a failure of the session, on this occasion."""
    try:
        yield
    except BadInputError as error:
        raise FailureError(f"{occasion}: {error}") from error


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])
