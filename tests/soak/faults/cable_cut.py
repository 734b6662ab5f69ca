"""The network between senders and consumers is cut, and mended."""

import numpy as np

from tests.soak.faults.fault import Injected, lasting_s
from tests.soak.lab import Lab

__all__ = ["inject", "why_not"]

NO_LOSS_S = 3.5  # TCP sends again what did not arrive; later, recorders and brokers' clients have connected anew


def why_not(lab: Lab) -> str:
    """Say whether there is a cable."""
    return lab.network.why_no_cable


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Cut the cable for a while."""
    seconds = lasting_s(random)
    lab.network.set_cut(True)
    try:
        lab.sleep(seconds)
    finally:
        lab.network.set_cut(False)
    consumers = tuple(f"{what}-{kind}" for what in ("recorder", "monitor", "subscriber") for kind in lab.names)
    return Injected(
        f"the network was cut ({lab.network.cut_by}) for {seconds:.1f} s", consumers if seconds > NO_LOSS_S else ()
    )
