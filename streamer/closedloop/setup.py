"""What is compared in a closed loop, and whether that can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.history import HISTORY_S, with_history
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.closedloop.experiment.adaptation import learning_user
from spikeloop.streamer.closedloop.experiment.perturbations import KINDS
from spikeloop.streamer.closedloop.experiment.plan import Plan, check_plan
from spikeloop.streamer.closedloop.experiment.user_spec import UserSpec
from spikeloop.streamer.closedloop.experiment.users import UserModel, adapted
from spikeloop.streamer.inference.isolation.isolated_decoder import DecoderHost
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.mqtt.address import MqttAddress

__all__ = ["Clock", "Setup", "check_setup"]

Clock = Literal["simulated", "real"]


@dataclass(frozen=True, eq=False)
class Setup:
    """Decoders, and the sessions that each of them has.

    Attributes
    ----------
    bundle : str
        Name or path, for a population in a process of its own.
    loaded : Bundle
    decoders : dict of DecoderSpec by name
        Each is compared with every one before it.
    plan : Plan
        Of every session; each session replaces its seed.
    seeds : tuple of int
        One a session.
    user : UserSpec
    clock : {"simulated", "real"}
    units : int, optional
        Units of the population that reach the decoder; None for all.
    device : {"auto", "cpu", "cuda"}
    name : str
        Of LSL streams and MQTT topics, on a real clock.
    mqtt : MqttAddress, optional
        Broker to which a session on a real clock publishes its cursor and events.
    start_delay_s : float from 0 to 3600, s
        On a real clock, from when a session's streams are there to its first bin.
    history_s : float > 0, s
        How far back decoders look that have no number of bins of their own.
    in_process : bool
        Whether decoders of the user's own live in this process.
    limits : DecoderLimits
        Of those that don't.
    """

    bundle: str
    loaded: Bundle
    decoders: Mapping[str, DecoderSpec]
    plan: Plan
    seeds: tuple[int, ...] = (0,)
    user: UserSpec = field(default_factory=lambda: UserSpec("simulated", "simulated"))
    clock: Clock = "simulated"
    units: int | None = None
    device: Device = "auto"
    name: str = "spikeloop"
    mqtt: MqttAddress | None = None
    start_delay_s: float = 0.0
    history_s: float = HISTORY_S
    in_process: bool = False
    limits: DecoderLimits = field(default_factory=DecoderLimits)

    @property
    def decoder_bin_s(self) -> float:
        """Width of the decoders' bins."""
        return self.plan.decoder_bins * self.loaded.card.bin_size_s

    def spec_of(self, decoder: str) -> DecoderSpec:
        """Return the decoder of a name, with the bins of its history."""
        return with_history(self.decoders[decoder], self.history_s, self.decoder_bin_s)

    @property
    def user_model(self) -> UserModel:
        """Parameters of the simulated user, who is adapted to the plan's gain and smoothing, and may learn."""
        model = UserModel() if self.user.learning is None else learning_user(UserModel(), self.user.learning)
        return adapted(model, self.plan.gain, self.plan.smoothing, self.loaded.card.bin_size_s)

    def host(self, spec: DecoderSpec) -> DecoderHost:
        """Where a decoder lives."""
        return DecoderHost(spec, self.limits, self.in_process)


def check_setup(setup: Setup) -> None:
    """Check, before any session runs, that all can.

    Raises
    ------
    BadInputError
        If a decoder has nothing to learn from, or something doesn't suit the clock or the bundle.
    FailureError
        If a decoder of the user's own fails, or a package that one needs is not installed.
    """
    every = len(setup.loaded.card.unit_names)
    if setup.units is not None:
        checked_whole("--units", setup.units, 1, every)
    if setup.clock == "simulated":
        _refuse_real_time(setup)
    check_plan(setup.plan, setup.loaded.card.bin_size_s)
    for spec in map(setup.spec_of, setup.decoders):
        _check_calibration(setup.plan, spec)
        if spec.runs_in == "real time":
            _check_own_counts(setup, spec)
        elif spec.runs_in == "any":
            with setup.host(spec) as host:
                host.open(units=setup.units or every, bin_size_s=setup.loaded.card.bin_size_s, seed=setup.seeds[0])


def _refuse_real_time(setup: Setup) -> None:
    asked = [f"--user {setup.user.name}"] if setup.user.kind == "lsl" else []
    asked += [f"--decoder {name}" for name, spec in setup.decoders.items() if spec.runs_in == "real time"]
    if asked:
        raise BadInputError(f"{asked[0]}: lives in real time, found a simulated clock; add --clock real")
    if setup.start_delay_s:
        raise BadInputError("--start-delay: waits in real time, found a simulated clock; add --clock real")
    if setup.mqtt is not None:
        raise BadInputError("--mqtt: devices live in real time, found a simulated clock; add --clock real")


def _check_calibration(plan: Plan, spec: DecoderSpec) -> None:
    if not plan.calibration_s and (spec.needs_calibration or plan.decoder_bins > 1):
        raise BadInputError(
            "--calibration: expected at least 10 s"
            + (f", as {spec.name} learns from it" if spec.needs_calibration else " with --decoder-bin")
            + ", found 0; or choose a decoder that has learned already, such as onnx:FILE"
        )


def _check_own_counts(setup: Setup, spec: DecoderSpec) -> None:
    """A decoder over LSL reads the counts from the stream itself; nothing can come between."""
    plan = setup.plan
    of_counts = [perturbation for perturbation in plan.perturbations if KINDS[perturbation.kind].of_counts]
    kept_from = [f"--perturb {perturbation}" for perturbation in of_counts]
    kept_from += ["--units"] if setup.units is not None else []
    kept_from += ["--decoder-bin"] if plan.decoder_bins > 1 else []
    if kept_from:
        raise BadInputError(
            f"{kept_from[0]}: can't reach --decoder {spec.name}, which reads the counts from the stream itself; leave"
            " it out, or choose a decoder in this process"
        )
