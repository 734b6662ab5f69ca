"""How to repeat a comparison: the command, or the call in Python where the command line can't say it."""

import shlex

from spikeloop.streamer.closedloop.experiment.tasks import TASKS
from spikeloop.streamer.closedloop.setup import Setup
from spikeloop.streamer.inference.isolation.limits import DecoderLimits
from spikeloop.streamer.mqtt.address import MqttAddress

__all__ = ["repeat_of"]


def repeat_of(setup: Setup) -> str:
    """Return the command that repeats a comparison, or else the call of `spikeloop.closed_loop`.

    Objects of the caller's own stand in the call by their names.
    """
    specs, task = setup.decoders, setup.plan.task
    consecutive = setup.seeds == tuple(range(setup.seeds[0], setup.seeds[0] + len(setup.seeds)))
    usual = setup.limits == DecoderLimits()
    named = all(spec.text == name for name, spec in specs.items()) and setup.user.factory is None
    if consecutive and usual and named and task.name in TASKS and task == TASKS[task.name]():
        return _command(setup)
    return _call(setup)


def _command(setup: Setup) -> str:
    plan, perturbations = setup.plan, [str(perturbation) for perturbation in setup.plan.perturbations]
    given = {
        "bundle": setup.bundle,
        "task": plan.task.name,
        "user": setup.user.name,
        "trials": plan.trials,
        "seed": setup.seeds[0],
        "sessions": len(setup.seeds),
        "clock": setup.clock,
        "calibration": plan.calibration_s,
        "recalibrate": plan.recalibrate_after,
        "gain": plan.gain,
        "smoothing": plan.smoothing,
        "decoder-bin": round(setup.decoder_bin_s * 1000, 6),
        "history-ms": round(setup.history_s * 1000, 6),
        "device": setup.device,
    } | ({"name": setup.name} if setup.clock == "real" else {})
    words = ["spikeloop", "closedloop", "--decoder", *setup.decoders]
    words += [word for option, value in given.items() for word in (f"--{option}", str(value))]
    words += ["--perturb", *perturbations] if perturbations else []
    words += ["--units", str(setup.units)] if setup.units is not None else []
    words += ["--mqtt", _broker(setup.mqtt)] if setup.mqtt is not None else []
    words += ["--start-delay", f"{setup.start_delay_s:g}"] if setup.start_delay_s else []
    words += ["--in-process"] if setup.in_process else []
    return shlex.join(words)


def _call(setup: Setup) -> str:
    plan = setup.plan
    decoders = ", ".join(f"{name!r}: {repr(spec.text) if spec.text else name}" for name, spec in setup.decoders.items())
    given = {
        "bundle": setup.bundle,
        "task": plan.task,
        "trials": plan.trials,
        "seeds": setup.seeds,
        "clock": setup.clock,
        "calibration_s": plan.calibration_s,
        "recalibrate_after": plan.recalibrate_after,
        "gain": plan.gain,
        "smoothing": plan.smoothing,
        "decoder_bin_s": setup.decoder_bin_s,
        "history_s": setup.history_s,
        "perturbations": tuple(str(perturbation) for perturbation in plan.perturbations),
        "units": setup.units,
        "device": setup.device,
    } | ({"name": setup.name} if setup.clock == "real" else {})
    given |= {"mqtt": _broker(setup.mqtt)} if setup.mqtt is not None else {}
    given |= {"start_delay_s": setup.start_delay_s} if setup.start_delay_s else {}
    given |= {"in_process": True} if setup.in_process else {}
    given |= {"limits": setup.limits} if setup.limits != DecoderLimits() else {}
    user = setup.user.name if setup.user.factory is not None else repr(setup.user.name)
    options = [f"user={user}", *(f"{option}={value!r}" for option, value in given.items())]
    return f"spikeloop.closed_loop({{{decoders}}}, {', '.join(options)})"


def _broker(address: MqttAddress) -> str:
    """The URL as it was given, with the names of its files; an address of other origin has none."""
    return address.url or str(address)
