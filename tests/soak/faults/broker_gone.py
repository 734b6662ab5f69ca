"""The broker dies, and comes back."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject"]


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Kill the broker, and start it again after a while."""
    seconds = lasting_s(random, longest_s=8.0)
    broker = lab.programs["broker"]
    broker.kill()
    lab.sleep(seconds)
    broker.start()
    lab.wait_for_broker()
    return Injected(f"the broker was gone for {seconds:.1f} s", ("subscriber-steady", "subscriber-mortal"))
