"""What the voltage costs through the Ephys Socket, beside a bare TCP sender of packets of the same size."""

import json
import socket
import tempfile
from pathlib import Path

from benchmarks.processes import HERE, busy, ended, python, report, running

SETUPS = (  # channels, voltage, whether others disturb, cores wanted
    (384, "plain", False, 0.6), (384, "plain", True, None), (384, "full", False, 0.6), (1024, "plain", False, None),
)  # fmt: skip


def measure(seconds: float) -> dict:
    """One array after the other."""
    return {
        "about": "int16 at 30 kHz in packets of 10 ms to one reader in another process, in real time: a unit a channel"
        f" at 10 Hz, typical noise, NAME-Broadband beside it without a consumer; {seconds:g} s each. The bare sender"
        " sends one packet of that size again and again; `full` is with drift, bursts, propagation and two far units a"
        " channel.",
        "rows": [_measure(*setup, seconds) for setup in SETUPS],
        "notes": [
            "CPU is the cores that a second of voltage takes, synthesis and all threads included. Others are a client"
            " that reads nothing, and one that is cut off and back every second; what they lost is counted apart.",
            busy(),
        ],
    }


def _measure(channels: int, kind: str, disturbed: bool, most_cores: float | None, seconds: float) -> dict:
    sent, received = _over_tcp(kind, channels, seconds, disturbed)
    bare, _ = _over_tcp("bare", channels, seconds)
    row = {
        "channels": channels,
        "voltage": kind,
        "MB/s": channels * 2 * 30_000 / 1e6,
        "with synthesis (cores)": sent["cores"],
        "wanted (cores)": most_cores or "",
        "a bare TCP sender (cores)": bare["cores"],
        "the reader (cores)": received["cpu_s"] / seconds,
        "samples received": f"{received['samples']:,}",
        "lost": round(sent["dropped"]),
        "other clients": f"{sent['others']:g}, lost {sent['dropped_of_others']:,.0f}",
        "dropped steps": sent["dropped_steps"],
        "late p50 (ms)": sent["late_ms_p50"],
        "late p99 (ms)": sent["late_ms_p99"],
    }
    print(row, flush=True)
    return row


def _over_tcp(kind: str, channels: int, seconds: float, disturbed: bool = False) -> tuple[dict, dict]:
    """Return what the sender and the reader report."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        out = Path(folder) / "received.json"
        sender = python("-m", "benchmarks.socket_sender", kind, port, channels, seconds)
        reader = python(HERE / "socket_reader.py", port, out)
        processes += [sender, reader]
        reader.stdout.readline()  # type: ignore[union-attr]
        if disturbed:
            processes.append(python(HERE / "socket_disturber.py", port))
        sent = report(sender)
        ended(reader)
        return sent, json.loads(out.read_text())
