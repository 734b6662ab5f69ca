"""Somebody sends garbage to all ports."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab
from tests.soak.program import Program, python
from tests.soak.roster import LISTENING

__all__ = ["inject"]


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Throw garbage at the ports of senders and broker, or at those of consumers."""
    host, seconds = lab.network.near if random.random() < 0.7 else lab.network.far, lasting_s(random, longest_s=6.0)
    ports, seed = f"{lab.port},{LISTENING}", int(random.integers(2**31))
    address = host.address
    command = python("garbage", address, ports, seed, seconds)
    with Program(f"garbage-{lab.now():.3f}", lambda life: command, host, lab.folder, lab.now) as thrower:
        lab.wait_for(lambda: not thrower.is_alive, "garbage to be thrown")
        thrown, said = thrower.life.report, thrower.life.last_words
    failure = "" if thrown else f"the garbage could not be thrown: {said:.300}"
    counted = ", ".join(f"{number:,} {what}" for what, number in thrown.items())
    return Injected(f"garbage at {host.name} for {seconds:.1f} s: {counted}", failure=failure)
