"""Another consumer of a stream is stuck or slow: senders and all other consumers must not notice."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab
from tests.soak.program import Program, python

__all__ = ["inject_slow", "inject_stuck"]

NEVER = 0.0


def inject_stuck(lab: Lab, random: np.random.Generator) -> Injected:
    """Connect, and pull nothing."""
    return _inject(lab, random, NEVER, "is stuck")


def inject_slow(lab: Lab, random: np.random.Generator) -> Injected:
    """Connect, and pull less than is sent."""
    return _inject(lab, random, float(random.uniform(0.03, 0.5)), "is slow")


def _inject(lab: Lab, random: np.random.Generator, interval_s: float, how: str) -> Injected:
    kind, seconds = str(random.choice(sorted(lab.names))), lasting_s(random, longest_s=10.0)
    command = python("consumer", lab.names[kind], interval_s)
    with Program(f"consumer-{lab.now():.3f}", lambda life: command, lab.network.far, lab.folder, lab.now) as consumer:
        lab.wait_for(lambda: "connected" in consumer.life.printed.read_text(), "a further consumer to connect")
        lab.sleep(seconds)
    return Injected(f"a further consumer of stream-{kind} {how} for {seconds:.1f} s")
