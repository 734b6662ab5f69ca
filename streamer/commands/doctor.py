"""`spikeloop doctor`: check what streaming needs, and say what to do."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from spikeloop.exporters.bundle import bundles, load_bundle
from spikeloop.models.errors import SpikeloopError
from spikeloop.models.packages import install_command
from spikeloop.models.significant import significant
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.inference.runtime import import_onnxruntime
from spikeloop.streamer.lsl.library import import_pylsl
from spikeloop.streamer.stream.clock import Clock, WallClock
from spikeloop.streamer.stream.source import open_source

__all__ = ["Finding", "doctor"]

WAITS, WAIT_S = 50, 0.02
LATE_S = 0.002


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes
    ----------
    check : str
        What was checked.
    well : bool
    found : str
    remedy : str
        What to do; empty where all is well.
    """

    check: str
    well: bool
    found: str
    remedy: str = ""


def doctor(*, json: bool = False) -> int:
    """Check whether this machine can stream.

    The checks are LSL's library and discovery, the inference providers, the clock and the shipped bundles. The exit
    code is 1 if something that streaming needs does not work.

    Parameters
    ----------
    json : bool
        print the findings as one JSON document
    """
    checks = (_liblsl, _discovery, _inference, _clock, _bundles, _training)
    findings = [_guarded(check) for check in checks]
    if json:
        print_json({"well": all(finding.well for finding in findings), "findings": findings})
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.well else 'BAD '} {finding.check}: {finding.found}")
            if finding.remedy:
                print(f"     -> {finding.remedy}")
    return 0 if all(finding.well for finding in findings) else 1


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except SpikeloopError as error:
        return Finding(check.__name__.strip("_"), False, str(error))


def _liblsl() -> Finding:
    lsl = import_pylsl()
    return Finding("liblsl", True, f"pylsl {lsl.__version__}, library {lsl.library_version() / 100:.2f}")


def _discovery() -> Finding:
    lsl = import_pylsl()
    name = f"spikeloop-doctor-{os.getpid()}"
    outlet = lsl.StreamOutlet(lsl.StreamInfo(name, "Doctor", 1, 0.0, "int8", name))
    began = lsl.local_clock()
    found = lsl.resolve_byprop("name", name, timeout=3.0)
    took_ms = (lsl.local_clock() - began) * 1000
    del outlet
    if found:
        return Finding("discovery", True, f"a stream of this machine was found in {took_ms:.0f} ms")
    return Finding(
        "discovery",
        False,
        "a stream of this machine was not found within 3 s",
        "allow UDP multicast on port 16571 in the firewall, or set ResolveScope or KnownPeers in lsl_api.cfg",
    )


def _inference() -> Finding:
    version = import_onnxruntime().__version__
    shipped = list(bundles())
    if not shipped:
        return Finding("inference", False, f"ONNX Runtime {version}, no bundle to try", "install spikeloop again")
    source = open_source(load_bundle(shipped[0]), seed=0)
    source.next(1)
    return Finding("inference", True, f"ONNX Runtime {version} runs {shipped[0]} on {source.provider}", source.notice)


def _clock() -> Finding:
    latest_ms = 1000 * asyncio.run(_median_lateness(WallClock()))
    return Finding(
        "clock",
        latest_ms < 1000 * LATE_S,
        f"a wait of {WAIT_S * 1000:g} ms ends {significant(latest_ms)} ms late (median of {WAITS})",
        "" if latest_ms < 1000 * LATE_S else "the machine is overloaded or saves power; stop other work",
    )


async def _median_lateness(clock: Clock) -> float:
    latenesses = []
    for _ in range(WAITS):
        due_s = clock.now() + WAIT_S
        await clock.sleep_until(due_s)
        latenesses.append(clock.now() - due_s)
    return sorted(latenesses)[WAITS // 2]


def _bundles() -> Finding:
    names = [load_bundle(path).card.name for path in bundles().values()]
    return Finding(
        "bundles", bool(names), f"{', '.join(names) or 'none'} whole", "" if names else "install spikeloop again"
    )


def _training() -> Finding:
    if find_spec("torch"):
        return Finding("training", True, "torch is installed")
    return Finding("training", True, f"torch is not installed; only training needs it: {install_command('train')}")
