"""`spikeloop doctor`: check what streaming needs, and say what to do."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.errors import SpikeloopError
from spikeloop.streamer.clock import Clock, WallClock
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.lsl import import_pylsl
from spikeloop.streamer.session import import_onnxruntime
from spikeloop.streamer.source import open_source

__all__ = ["Finding", "doctor"]

WAITS, WAIT_S = 50, 0.02
LATE_S = 0.002


@dataclass(frozen=True)
class Finding:
    """One check: what was found, and where it is not well, what to do."""

    check: str
    well: bool
    found: str
    remedy: str = ""


def doctor(*, json: bool = False) -> int:
    """Check LSL's library and discovery, the inference providers, the clock and the shipped bundles.

    Exits 1 where something that streaming needs is not well.

    Parameters
    ----------
    json
        print one JSON document
    """
    checks = (_liblsl, _discovery, _inference, _clock, _bundles, _training)
    findings = [_guarded(check) for check in checks]
    if json:
        print_json({"well": all(each.well for each in findings), "findings": findings})
    else:
        for each in findings:
            print(f"{'ok  ' if each.well else 'BAD '} {each.check}: {each.found}")
            if each.remedy:
                print(f"     -> {each.remedy}")
    return 0 if all(each.well for each in findings) else 1


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
    shipped = list(shipped_bundles())
    if not shipped:
        return Finding("inference", False, f"ONNX Runtime {version}, no bundle to try", "install spikeloop again")
    source = open_source(read_bundle(shipped[0]), seed=0)
    source.take(1)
    return Finding("inference", True, f"ONNX Runtime {version} runs {shipped[0]} on {source.provider}", source.notice)


def _clock() -> Finding:
    latest_ms = 1000 * asyncio.run(_median_lateness(WallClock()))
    return Finding(
        "clock",
        latest_ms < 1000 * LATE_S,
        f"a wait of {WAIT_S * 1000:g} ms ends {latest_ms:.2f} ms late (median of {WAITS})",
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
    names = [read_bundle(path).card.name for path in shipped_bundles().values()]
    return Finding(
        "bundles", bool(names), f"{', '.join(names) or 'none'} whole", "" if names else "install spikeloop again"
    )


def _training() -> Finding:
    if find_spec("torch"):
        return Finding("training", True, "torch is installed")
    return Finding("training", True, "torch is not installed; only training needs it: pip install 'spikeloop[train]'")
