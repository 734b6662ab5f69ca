"""What a Synapse device costs with Science's own client, what clients lose, and how soon a pulse is answered.

Run it with the Python that has science-synapse: `.venv-bridges/bin/python -m benchmarks bridges_synapse`.
"""

import json
import socket
import tempfile
import time
from pathlib import Path

from benchmarks.processes import HERE, SPIKELOOP, busy, cpu_s, ended, python, report, running

SETUPS: tuple[tuple[int, str, float | str], ...] = (
    (384, "none", ""), (384, "one", 0.6), (384, "one, and one slow, one killed and back", ""), (1024, "one", ""),
)  # fmt: skip
CLIENT = HERE / "synapse_client.py"
APPEARS_WITHIN_S, LEFT_S = 60.0, 3.0  # for the stream to open; before and after what is measured
WINDOW_MS, PULSES = 2, 200


def measure(seconds: float) -> dict:
    """One array after the other, and the round trip."""
    rows = [_measure(channels, clients, most_cores, seconds) for channels, clients, most_cores in SETUPS]
    answers = _round_trip()
    return {
        "about": "`spikeloop stream m1-sim --broadband --probe linear --synapse`, int16 at 30 kHz, and clients of"
        f" science-synapse in processes of their own; {seconds:g} s each. A client reads as `synapsectl read` does, and"
        " parses every frame.",
        "rows": rows,
        "notes": [
            "CPU is the processor time of the whole stream (population, synthesis, LSL, encoding, sending) for a second"
            " of voltage. A slow client reads nothing; one that is killed is there again after a second.",
            busy(),
            f"Round trip: a client sends a pulse of 150 uA to all electrodes and waits for their spikes, in windows of"
            f" {WINDOW_MS} ms, {PULSES} times at random moments: p50 {answers['p50_ms']:.1f} ms, p99"
            f" {answers['p99_ms']:.1f} ms, {answers['answered']} of {PULSES} answered. The stream's steps are of 20 ms,"
            " and spikes come 1 to 4 ms after the pulse.",
        ],
    }


def _measure(channels: int, clients: str, most_cores: float | str, seconds: float) -> dict:
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        out, config = Path(folder) / "read.json", Path(folder) / "config.json"
        config.write_text(json.dumps({"nodes": [_broadband(channels)]}))
        stream, uri = _stream(channels)
        processes.append(stream)
        readers = []
        if clients != "none":
            readers.append(python(CLIENT, uri, "read", config, seconds, out))
        processes += readers
        for reader in readers:
            reader.stdout.readline()  # type: ignore[union-attr]
        began_s, began = time.monotonic(), cpu_s(stream.pid)
        if "slow" in clients:
            slow = python(CLIENT, uri, "sleep", config)
            processes.append(slow)
            while time.monotonic() < began_s + seconds - LEFT_S:
                killed = python(CLIENT, uri, "read", config, seconds, Path(folder) / "killed.json")
                processes.append(killed)
                killed.stdout.readline()  # type: ignore[union-attr]
                time.sleep(1.0)
                killed.kill()
        for reader in readers:
            ended(reader)
        time.sleep(max(0.0, began_s + seconds - time.monotonic()))
        cpu, passed_s = cpu_s(stream.pid) - began, time.monotonic() - began_s
        stream.send_signal(2)
        reported = report(stream, well=(130,))
        read = json.loads(out.read_text()) if readers else {}
        voltage_s = (read["frames"] + read["missing"]) / 30_000 if read else passed_s
    row = {
        "channels": channels,
        "clients": clients,
        "the stream (cores)": cpu / voltage_s,
        "wanted (cores)": most_cores,
        "the client (cores)": read.get("cores", ""),
        "samples received": f"{read['frames']:,} ({read['missing']} missing)" if read else "",
        "stamp to read p50 (ms)": read.get("delay_ms", ""),
        "first sample, beside NAME-Broadband (ms)": read.get("apart_ms", ""),
        "lateness p50 (ms)": reported["lateness_ms"]["p50"],
        "lateness p99 (ms)": reported["lateness_ms"]["p99"],
        "late steps": reported["late_steps"],
    }
    print(row, flush=True)
    return row


def _round_trip() -> dict:
    with tempfile.TemporaryDirectory() as folder, running() as processes:
        config = Path(folder) / "config.json"
        stimulation = {"peripheral_id": 102, "sample_rate": 20_000, "lsb": 1000}
        every = {"channels": [{"id": place, "electrode_id": place} for place in range(96)]}
        spikes = {"peripheral_id": 101, "spike_window_ms": WINDOW_MS, "electrodes": every}
        nodes = [
            {"type": "kSpikeSource", "id": 1, "spike_source": spikes},
            {"type": "kElectricalStimulation", "id": 2, "electrical_stimulation": stimulation},
        ]
        config.write_text(json.dumps({"nodes": nodes}))
        stream, uri = _stream(96)
        client = python(CLIENT, uri, "answers", config, PULSES)
        processes += [stream, client]
        answers = report(client)
        stream.send_signal(2)
        report(stream, well=(130,))
    return answers


def _stream(channels: int) -> tuple:
    """A stream whose device is there, and the address of that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"127.0.0.1:{free.getsockname()[1]}"
    probe = ("--probe", "linear", "--channels", channels)
    name = f"bench-{time.time_ns()}"
    stream = python(*SPIKELOOP, "stream", "m1-sim", "--name", name, "--broadband", *probe, "--synapse", uri, "--json")
    end_s = time.monotonic() + APPEARS_WITHIN_S
    while time.monotonic() < end_s:
        try:
            socket.create_connection(("127.0.0.1", int(uri.rpartition(":")[2]))).close()
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(LEFT_S)
            return stream, uri
    raise SystemExit(f"no device within {APPEARS_WITHIN_S:g} s")


def _broadband(channels: int) -> dict:
    electrodes = [{"id": place, "electrode_id": place} for place in range(channels)]
    source = {"peripheral_id": 100, "sample_rate_hz": 30_000, "signal": {"electrode": {"channels": electrodes}}}
    return {"type": "kBroadbandSource", "id": 1, "broadband_source": source}
