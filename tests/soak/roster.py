"""The programs of the laboratory, in the order in which they start.

There are two streams, recorders and monitors: of each a mortal one, which faults kill, and a steady one, which lives
through all and whose memory is followed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak.network import FIRST_PORT, PORTS, Host, Network
from tests.soak.program import python, spikeloop
from tests.support.broker import Amqtt, Mosquitto, find_program, free_port

__all__ = ["BUNDLES", "INLETS", "LISTENING", "Entry", "roster"]

BUNDLES = {"steady": "retina", "mortal": "m1-sim"}  # whose bins are of 20 ms
UNITS = {"steady": 50, "mortal": 96}
INLETS = {kind: f"inlet-{kind}" for kind in BUNDLES}
METRICS_PORTS = {"steady": 9470, "mortal": 9471}
LISTENING = f"{','.join(map(str, METRICS_PORTS.values()))},{FIRST_PORT}-{FIRST_PORT + PORTS}"  # of ours
START_DELAY_S = 4.0  # for consumers to connect before bin 0


@dataclass(frozen=True)
class Entry:
    """A program.

    Attributes
    ----------
    name : str
    command : callable of int to sequence
        Returns the command of the life of this number.
    host : Host
    mortal : bool
    ours : bool
        Whether it is a command of spikeloop.
    """

    name: str
    command: Callable[[int], Sequence[object]]
    host: Host
    mortal: bool = False
    ours: bool = True


def roster(network: Network, names: Mapping[str, str], seed: int, folder: Path, disk: Path) -> tuple[list[Entry], int]:
    """List the programs; and the broker's port.

    Parameters
    ----------
    network : Network
    names : mapping of str
        Of the streams, by their kinds.
    seed : int >= 0
        Of their spikes.
    folder : pathlib.Path
        For what they write.
    disk : pathlib.Path
        For the recordings of the recorder that may die.
    """
    near, far, port = network.near, network.far, free_port()
    url = f"mqtt://{near.address}:{port}"
    entries = [Entry("broker", _always(_broker(near, port, folder)), near, mortal=True, ours=False)]
    for kind, name in names.items():
        inlet = python("inlet", name, folder / INLETS[kind])
        subscriber = python("subscriber", near.address, port, name, UNITS[kind], folder / f"subscriber-{kind}")
        entries += [
            Entry(INLETS[kind], _always(inlet), far, ours=False),
            Entry(f"subscriber-{kind}", _always(subscriber), far, ours=False),
        ]
    for kind, name in names.items():
        mortal, place = kind == "mortal", disk if kind == "mortal" else folder
        entries += [
            Entry(f"recorder-{kind}", _recorder(f"recorder-{kind}", list(names.values()), place), far, mortal),
            Entry(f"monitor-{kind}", _always(_monitor(name, METRICS_PORTS[kind])), far, mortal),
        ]
    probe = spikeloop("device", "probe", "--mqtt", url, "--name", names["steady"], "--wait", "--json")
    entries.append(Entry("probe", _always(probe), far, mortal=True))
    entries += [
        Entry(f"stream-{kind}", _always(_stream(BUNDLES[kind], name, url, seed)), near, kind == "mortal")
        for kind, name in names.items()
    ]
    return entries, port


def _always(command: Sequence[object]) -> Callable[[int], Sequence[object]]:
    return lambda life: command


def _broker(host: Host, port: int, folder: Path) -> list[str]:
    broker = (Mosquitto if find_program("mosquitto") else Amqtt)(folder)
    broker.port, broker.address = port, host.address
    return broker.command()


def _recorder(name: str, streams: Sequence[str], place: Path) -> Callable[[int], Sequence[object]]:
    def command(life: int) -> list[object]:
        out = place / f"{name}.{life}.xdf"
        return spikeloop("record", *streams, "--out", out, "--wait", "inf", "--json")

    return command


def _monitor(name: str, port: int) -> list[object]:
    return spikeloop("monitor", name, "--wait", "--importance", "none", "--metrics", port, "--json")


def _stream(bundle: str, name: str, url: str, seed: int) -> list[object]:
    return spikeloop(
        "stream", bundle, "--name", name, "--mqtt", url, "--step-bins", 1, "--seed", seed,
        "--start-delay", START_DELAY_S, "--device", "cpu", "--json",
    )  # fmt: skip
