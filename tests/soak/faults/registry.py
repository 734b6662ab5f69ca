"""All kinds of faults by name."""

from tests.soak.faults import (
    bad_consumers,
    broker_gone,
    cable_cut,
    date_jump,
    death,
    disk_full,
    garbage,
    gpu_gone,
    standstill,
)
from tests.soak.faults.fault import Fault

__all__ = ["FAULTS"]

FAULTS = {
    "stop": Fault("a program gets no processor for a while", standstill.inject),
    "kill": Fault("a program is killed, and started again", death.inject),
    "broker": Fault("the broker dies, and comes back", broker_gone.inject),
    "disk": Fault("the disk of a recorder is full", disk_full.inject, disk_full.why_not),
    "date": Fault("the date jumps, and back", date_jump.inject, date_jump.why_not),
    "network": Fault("the network is cut, and mended", cable_cut.inject, cable_cut.why_not),
    "stuck": Fault("a further consumer pulls nothing", bad_consumers.inject_stuck),
    "slow": Fault("a further consumer pulls less than is sent", bad_consumers.inject_slow),
    "garbage": Fault("garbage comes to all ports", garbage.inject),
    "gpu": Fault("the GPU is gone", gpu_gone.inject, gpu_gone.why_not),
}
