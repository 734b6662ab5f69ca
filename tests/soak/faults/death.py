"""A program of spikeloop's is killed, and started again."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject"]

OTHERS = ("broker",)  # whose death is a fault of its own


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Kill a mortal program with SIGKILL, and start it again after a while."""
    names = sorted(program.name for program in lab.mortals() if program.name not in OTHERS)
    name, seconds = str(random.choice(names)), lasting_s(random, longest_s=5.0)
    program = lab.programs[name]
    program.kill()
    lab.sleep(seconds)
    program.start()
    return Injected(f"{name} was killed, and started again after {seconds:.1f} s")
