"""Hardware in the loop without hardware: a broker, a stream, a decoder and three devices, with a live table.

`python examples/demo_hardware.py [--duration SECONDS]`, or `make demo-hardware`. Ctrl-C closes everything.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console
from rich.live import Live
from rich.table import Table

from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.streamer.devices.broker import local_broker
from spikeloop.streamer.mqtt.payloads import decode_spikes

SPIKELOOP = ("-c", "from spikeloop.__main__ import main; main()")
DECODER = Path(__file__).parent / "arm" / "decoder.py"
BURST = ("--spikes", "40", "--window-ms", "20", "--refractory-ms", "500")
EVOKED_S, BEFORE_S = 0.005, 0.1  # after a pulse, and before it for comparison
ENDS_WITHIN_S = 10.0


class Watch:
    """Listens to everything that goes over the broker, from entering to leaving, and keeps what the table shows."""

    def __init__(self, url: str, name: str) -> None:
        self._prefix, self._port = f"spikeloop/{name}/", int(url.rpartition(":")[2])
        self._lock = threading.Lock()
        self._latest: dict[str, dict[str, Any]] = {}
        self._spikes_s, self._asked_s = 0.0, 0.0  # when the latest messages came
        self._answers_ms: deque[float] = deque(maxlen=10_000)
        self._accepted_ms: deque[float] = deque(maxlen=10_000)
        self._stamps_s: deque[np.ndarray] = deque(maxlen=50)  # of the latest steps' spikes
        self._pulses_s: list[float] = []  # whose evoked spikes have not come yet
        self._evoked: list[tuple[int, float]] = []  # after each pulse, and expected from before

    def __enter__(self) -> "Watch":
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._note
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{self._prefix}#")

    def _note(self, _client: mqtt.Client, _user: None, message: mqtt.MQTTMessage) -> None:
        topic, now_s = message.topic.removeprefix(self._prefix), time.perf_counter()
        with self._lock:
            if topic == "spikes":
                self._spikes_s = now_s
                self._note_spikes(bytes(message.payload))
                return
            self._latest[topic] = json.loads(message.payload)
            if topic == "stimulate":
                self._asked_s = now_s
                self._answers_ms.append((now_s - self._spikes_s) * 1000)
            elif topic == "marker" and self._latest[topic]["event"] == "stimulate":
                self._accepted_ms.append((now_s - self._asked_s) * 1000)
                self._pulses_s.append(self._latest[topic]["stamp_s"])

    def _note_spikes(self, payload: bytes) -> None:
        """Count what a pulse evoked once all spikes around it have come."""
        message = decode_spikes(payload)
        self._stamps_s.append(message.stamps_s)
        end_s = message.start_s + message.bins * message.bin_size_s
        for pulse_s in [pulse_s for pulse_s in self._pulses_s if pulse_s + EVOKED_S <= end_s]:
            self._pulses_s.remove(pulse_s)
            after_s = np.concatenate(self._stamps_s) - pulse_s
            evoked, before = (after_s >= 0) & (after_s < EVOKED_S), (after_s < 0) & (after_s >= -BEFORE_S)
            self._evoked.append((int(evoked.sum()), float(before.sum()) * EVOKED_S / BEFORE_S))

    def table(self) -> Table:
        """Show the latest figures."""
        with self._lock:
            latest, evoked = self._latest, np.array(self._evoked or [[np.nan, np.nan]]).mean(axis=0)
            health = latest.get("health") or {}
            table = Table.grid(padding=(0, 2))
            table.add_row("stream", latest.get("status", {}).get("state", "starting"))
            table.add_row("its lateness", _text(health.get("lateness_ms")))
            table.add_row("stream to probe and back", _text(health.get("round_trip_ms")))
            table.add_row("burst to stimulus, at the broker", _text(_quantiles(self._answers_ms)))
            table.add_row("stimulus to marker, at the broker", _text(_quantiles(self._accepted_ms)))
            table.add_row("stimuli", str(len(self._accepted_ms)))
            words = f"{evoked[0]:.1f} a stimulus, {evoked[1]:.1f} expected without" if self._evoked else "-"
            table.add_row(f"spikes in the {EVOKED_S * 1000:g} ms after", words)
            table.add_row("decoded cursor", _place(latest.get("cursor"), "position_cm"))
            table.add_row("arm's endpoint", _place(latest.get("arm"), "endpoint_cm"))
            return table


def _quantiles(durations_ms: deque[float]) -> dict[str, float] | None:
    if not durations_ms:
        return None
    p50, p99 = np.quantile(np.array(durations_ms), [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99)}


def _text(quantiles: dict[str, float] | None) -> str:
    return f"p50 {quantiles['p50']:.2f} ms, p99 {quantiles['p99']:.2f} ms" if quantiles else "-"


def _place(document: dict[str, Any] | None, key: str) -> str:
    return "({:.1f}, {:.1f}) cm".format(*document[key]) if document else "-"


@contextmanager
def started(what: str, *command: object) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """Run a Python process that ends with the context, as by Ctrl-C; the file holds what it printed on stderr."""
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "stderr.txt"
        with printed.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True,
            )  # fmt: skip
        try:
            yield what, process, printed
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(name: str, duration_s: float | None, console: Console) -> None:
    """Start everything, show it, and close it again."""
    with ExitStack() as opened:
        url = opened.enter_context(local_broker())
        watch = opened.enter_context(Watch(url, name))
        common = ("--mqtt", url, "--name", name)
        port = url.rpartition(":")[2]
        commands = {
            "stream": (*SPIKELOOP, "stream", "m1-sim", *common, "--condition", "mqtt"),
            "stimulator": (*SPIKELOOP, "device", "stimulator", *common, *BURST),
            "probe": (*SPIKELOOP, "device", "probe", *common),
            "arm": (*SPIKELOOP, "device", "arm", *common),
            "decoder": (DECODER, name, "127.0.0.1", port),
        }
        console.print(f"{name} at {url}; the decoder learns for 20 s, then the arm moves. Ctrl-C ends it.")
        processes = [opened.enter_context(started(what, *command)) for what, command in commands.items()]
        end_s = time.monotonic() + (duration_s if duration_s is not None else float("inf"))
        with Live(console=console, get_renderable=watch.table, refresh_per_second=4):
            while time.monotonic() < end_s:
                time.sleep(0.1)
                for what, process, printed in processes:
                    if process.poll() is not None:
                        raise FailureError(f"the {what} ended: {printed.read_text().strip() or process.returncode}")


def main() -> int:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows lacks the last
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    parser = argparse.ArgumentParser(description="Hardware in the loop without hardware.")
    parser.add_argument("--duration", type=float, default=None, help="seconds; by default until Ctrl-C")
    parser.add_argument("--name", default="hardware-demo", help="of the stream")
    options = parser.parse_args()
    try:
        run(options.name, options.duration, Console())
    except SpikeloopError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
