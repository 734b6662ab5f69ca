"""A program gets no processor for a while."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject"]

CONNECT_ANEW_S = 8.0  # recorders and monitors connect anew after 10 s of silence
ANSWER_S = 5.0  # clients of a broker give up when it does not answer for 10 s


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Stop any program, and let it go on."""
    name = str(random.choice(sorted(lab.programs)))
    seconds = lasting_s(random)
    program = lab.programs[name]
    program.stand_still()
    try:
        lab.sleep(seconds)
    finally:
        program.go_on()
    may_lose: tuple[str, ...] = ()
    if name.startswith("stream") and seconds >= CONNECT_ANEW_S:
        may_lose = tuple(f"{what}-{kind}" for what in ("recorder", "monitor") for kind in lab.names)
    if name == "broker" and seconds >= ANSWER_S:
        may_lose = ("subscriber-steady", "subscriber-mortal")
    return Injected(f"{name} stood still for {seconds:.1f} s", may_lose)
