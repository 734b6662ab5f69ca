"""Decoders compared: each has the same sessions, of the same seeds."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.decoders.stopwatch import ComputeTime, Stopwatch
from spikeloop.models.errors import FailureError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.closedloop.experiment.brain import BundlePopulation, SimulatedPopulation, SubsampledPopulation
from spikeloop.streamer.closedloop.experiment.forfeits import forfeited_trials
from spikeloop.streamer.closedloop.experiment.generated import Generated, GeneratedLog
from spikeloop.streamer.closedloop.experiment.oracle import OracleDecoder, RememberedUser
from spikeloop.streamer.closedloop.experiment.record import SessionRecord, Trial, Watcher
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.user_spec import open_user
from spikeloop.streamer.closedloop.experiment.users import User
from spikeloop.streamer.closedloop.real_time.lsl_log import LslLog
from spikeloop.streamer.closedloop.real_time.lsl_user import LslUser
from spikeloop.streamer.closedloop.real_time.mqtt_cursor import MqttCursor
from spikeloop.streamer.closedloop.real_time.real_time import RealTime, RealTimeReport
from spikeloop.streamer.closedloop.setup import Setup, check_setup
from spikeloop.streamer.conditions.opening import CLOSED_LOOP
from spikeloop.streamer.inference.isolation.isolated_decoder import FailedDecoder
from spikeloop.streamer.lsl.library import import_pylsl

__all__ = ["Loop", "Run", "assemble_loop", "hosted_decoder", "local_user", "open_loop", "run_comparison"]


@dataclass(frozen=True, eq=False)
class Loop:
    """The parts of a session.

    Attributes
    ----------
    population : SimulatedPopulation
    user : User
    decoder : Decoder
    watchers : sequence of Watcher
    report : callable
        Called once the parts are closed; gives the timing of a session on a real clock.
    generated : callable
        Called once the parts are closed; gives what the population gave, where that is kept.
    taken : ComputeTime, optional
        How long the decoder computes, where it runs here.
    """

    population: SimulatedPopulation
    user: User
    decoder: Decoder
    watchers: Sequence[Watcher] = ()
    report: Callable[[], RealTimeReport | None] = lambda: None
    generated: Callable[[], Generated | None] = lambda: None
    taken: ComputeTime | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """A session of the decoder of a name.

    Attributes
    ----------
    decoder : str
    seed : int
    record : SessionRecord
    real_time : RealTimeReport or None
        None on a simulated clock.
    generated : Generated or None
        What its population gave, where that is kept.
    forfeited : tuple of Trial
        That never began because the decoder failed; they count as failures.
    taken : ComputeTime or None
        How long the decoder computed; None where that isn't known here.
    """

    decoder: str
    seed: int
    record: SessionRecord
    real_time: RealTimeReport | None = None
    generated: Generated | None = None
    forfeited: tuple[Trial, ...] = ()
    taken: ComputeTime | None = None


def run_comparison(
    setup: Setup,
    watch: Callable[[str, int], Watcher] | None = None,
    kept: Callable[[int], bool] = lambda seed: False,
) -> Iterator[Run]:
    """Run every session, seed after seed, each with all decoders; one that fails doesn't end the others.

    Parameters
    ----------
    setup : Setup
    watch : callable (decoder's name, seed) -> Watcher, optional
        Called before each session.
    kept : callable (seed) -> bool
        Whether what the population of a session gives is kept.

    Raises
    ------
    BadInputError, FailureError
        If the setup can't be (before any session runs), or a session can't begin.
    """
    check_setup(setup)
    for seed in setup.seeds:
        for decoder in setup.decoders:
            watchers = (watch(decoder, seed),) if watch is not None else ()
            with open_loop(setup, decoder, seed, kept(seed)) as loop:
                plan = dataclasses.replace(setup.plan, seed=seed)
                record = run_session(plan, loop.population, loop.user, loop.decoder, (*watchers, *loop.watchers))
            forfeited = forfeited_trials(plan, record)
            yield Run(decoder, seed, record, loop.report(), loop.generated(), forfeited, loop.taken)
            if record.interrupted:
                return


@contextmanager
def open_loop(setup: Setup, decoder: str, seed: int, kept: bool = False) -> Iterator[Loop]:
    """Open the parts of a session, on the setup's clock.

    A decoder of the user's own is in a process of its own. On a simulated clock all else is in this process, as fast as
    the machine allows. On a real one the population is in a process of its own, over LSL, and user and decoder are over
    LSL where they are asked for so.
    """
    spec = setup.spec_of(decoder)
    with ExitStack() as opened:
        made = hosted_decoder(opened, setup, spec, seed)
        if setup.clock == "real":
            yield _open_real(opened, setup, spec, made, seed, kept)
        else:
            log = _simulated_log(setup, seed) if kept else None
            population = BundlePopulation(setup.loaded, seed, setup.device, log)
            loop = assemble_loop(setup, population, local_user(setup, seed), made, seed)
            yield loop if log is None else dataclasses.replace(loop, generated=log.generated)


def _simulated_log(setup: Setup, seed: int) -> GeneratedLog:
    card = setup.loaded.card
    made_by = Provenance(
        card.name, setup.loaded.sha256, seed, card.bin_size_s, 1, 0.0, CLOSED_LOOP, card.latency_bins, card.signal
    )
    return GeneratedLog(card, made_by)


def hosted_decoder(opened: ExitStack, setup: Setup, spec: DecoderSpec, seed: int) -> Decoder | None:
    """Open a decoder where it lives, before anything that runs in real time, as this may take seconds.

    None for the oracle, and for one over LSL.
    """
    if spec.runs_in != "any":
        return None
    card, host = setup.loaded.card, opened.enter_context(setup.host(spec))
    try:
        return host.open(units=setup.units or len(card.unit_names), bin_size_s=card.bin_size_s, seed=seed)
    except FailureError as failure:  # which ends this decoder's session, not those of the others
        return FailedDecoder(failure)


def _open_real(
    opened: ExitStack, setup: Setup, spec: DecoderSpec, decoder: Decoder | None, seed: int, kept: bool
) -> Loop:
    over_lsl = setup.user.kind == "lsl"
    user = opened.enter_context(LslUser(setup.user.argument)) if over_lsl else local_user(setup, seed)
    log = LslLog(setup.name, setup.loaded.card) if kept else None
    of_population = (setup.bundle, setup.loaded, setup.name, seed, setup.device, setup.start_delay_s)
    real = opened.enter_context(RealTime(*of_population, log))
    if spec.kind == "lsl":
        loop = Loop(real.population, user, real.decoder_over(spec.argument))
    else:
        loop = assemble_loop(setup, real.population, user, decoder, seed)
        loop = dataclasses.replace(loop, decoder=real.decoder(loop.decoder))
    watchers = real.watchers
    if setup.mqtt is not None:
        now = import_pylsl().local_clock
        watchers = (*watchers, opened.enter_context(MqttCursor(setup.mqtt, setup.name, now)))
    loop = dataclasses.replace(loop, watchers=watchers, report=real.report)
    return loop if log is None else dataclasses.replace(loop, generated=log.generated)


def assemble_loop(
    setup: Setup, population: SimulatedPopulation, user: User, decoder: Decoder | None, seed: int
) -> Loop:
    """Put a decoder between population and user; without one, the oracle."""
    if setup.units is not None:
        population = SubsampledPopulation(population, setup.units, random_stream(seed, Purpose.KEPT_UNITS))
    if decoder is None:
        remembered = RememberedUser(user)
        return Loop(population, remembered, OracleDecoder(remembered))
    if isinstance(decoder, FailedDecoder):
        return Loop(population, user, decoder)
    taken = ComputeTime()
    timed = Stopwatch(decoder, setup.plan.decoder_bins * population.bin_size_s, taken)
    return Loop(population, user, timed, taken=taken)


def local_user(setup: Setup, seed: int) -> User:
    """Open the user of a session, where it isn't one over LSL."""
    card, extent_cm = setup.loaded.card, setup.plan.task.extent_cm
    return open_user(setup.user, setup.user_model, extent_cm, card.bin_size_s, random_stream(seed, Purpose.USER))
