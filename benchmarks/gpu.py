"""An NVIDIA GPU beside one core of the CPU: units x streams, single bins, the critic, training. Needs a GPU."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from benchmarks.random_bundle import BIN_SIZE_S, write_random_bundle
from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.importance.maps import exact_importance
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.inference.bin_engine import BinEngine
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.inference.runtime import CPU, CUDA, import_onnxruntime

UNITS, STREAMS = (96, 1000, 4000, 10_000), (1, 10, 100)
CHUNK_COUNTS = 2**18  # that a call makes, as in a stream
LONGEST_CHUNK = 100  # bins
LEAST_RUNS = 5
STEPS = 20
WINDOWS = 20

Device = Literal["cpu", "cuda"]


def measure(seconds: float) -> dict:
    """Units by streams on both, in turn, `seconds` for all; then what else there is, as notes."""
    card = card_name()
    with tempfile.TemporaryDirectory() as folder:
        rows = units_by_streams(Path(folder), seconds, ("cpu", "cuda"), UNITS, STREAMS)
        bins = one_bin(load_bundle(str(Path(folder) / "96")), "cuda")
    return {
        "about": f"{card}, beside one core of the CPU, in turn: random causal Spike-GANs (preset `fast`, 1 kHz), as"
        f" many streams at once as the table says, at most {LONGEST_CHUNK} bins and {CHUNK_COUNTS:,} counts a call."
        " Times real time: seconds of all streams, generated in a second; above their number, they keep up.",
        "rows": rows,
        "notes": [
            f"One bin of 96 units (us): {', '.join(f'{way} {took}' for way, took in bins.items())}.",
            f"An exact importance map of the retina (ms): {_both(critic_ms)}.",
            f"A step of `train --data simulated`, after the first ones (ms): {_both(training_ms)}.",
        ],
    }


def card_name() -> str:
    """Return the name of the GPU; end the program where there is none."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        found = ""
    if not found:
        raise SystemExit("no NVIDIA GPU was found (nvidia-smi lists none); nothing was measured")
    if CUDA not in (available := import_onnxruntime().get_available_providers()):
        raise SystemExit(
            f"{found.splitlines()[0]}: expected an ONNX Runtime with CUDA, found one with {', '.join(available)};"
            " pip install onnxruntime-gpu in place of onnxruntime; nothing was measured"
        )
    return found.splitlines()[0]


def units_by_streams(
    folder: Path, seconds: float, devices: tuple[Device, ...], units: tuple[int, ...], streams: tuple[int, ...]
) -> list[dict]:
    """Return a row for each number of units and of streams; bundles are left in the folder."""
    rows = []
    for number in units:
        write_random_bundle(folder / str(number), number)
        bundle = load_bundle(folder / str(number))
        for copies in streams:
            share_s = seconds / (len(units) * len(streams) * len(devices))
            times = {device: _times_real_time(bundle, device, copies, share_s) for device in devices}
            row = {"units": number, "streams": copies}
            row |= {f"{device}: times real time, all streams": times[device] for device in devices}
            if len(devices) == 2:
                row[f"{devices[1]} / {devices[0]}"] = times[devices[1]] / times[devices[0]]
            print(row, flush=True)
            rows.append(row)
    return rows


def _times_real_time(bundle: Bundle, device: Device, copies: int, seconds: float) -> float:
    engine = BinEngine(bundle, device, copies)
    bins = max(1, min(LONGEST_CHUNK, CHUNK_COUNTS // (len(bundle.card.unit_names) * copies)))
    given = _random_bins(bundle, bins, copies)
    took_s = _median_s(lambda: engine.run_copies(*given), seconds)
    return bins * copies * BIN_SIZE_S / took_s


def one_bin(bundle: Bundle, device: Device) -> dict[str, str]:
    """Return what a bin takes on a device, by way: copied there and back, bound, and as a CUDA graph."""
    engine = BinEngine(bundle, device)
    given = _random_bins(bundle, 1, 1)
    ways = {"by the engine": _microseconds(lambda: engine.run_copies(*given))}
    body = bin_of(bundle.generator)
    ways["its graph alone, bound"] = _bound(body, device, {})
    if device == "cuda":
        ways["as a CUDA graph"] = _bound(body, device, {"enable_cuda_graph": "1"})
    return ways


def bin_of(generator: bytes) -> onnx.ModelProto:
    """Cut a single bin out of a generator's graph: CUDA graphs hold no loop, as its Scan is one."""
    model = onnx.load_from_string(generator)
    (loop,) = (node for node in model.graph.node if node.op_type == "Scan")
    body = next(entry.g for entry in loop.attribute if entry.name == "body")
    used = {name for node in body.node for name in node.input}
    body.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in used)
    return onnx.helper.make_model(body, opset_imports=model.opset_import, ir_version=model.ir_version)


def _bound(model: onnx.ModelProto, device: Device, options: dict[str, str]) -> str:
    """Return what a run takes whose inputs and outputs stay on the device; why it can't be, where it can't."""
    runtime: Any = import_onnxruntime()
    provider = (CUDA, options) if device == "cuda" else CPU
    try:
        session = runtime.InferenceSession(model.SerializeToString(), providers=[provider])
        binding = session.io_binding()
        for entry in session.get_inputs():
            zeros = np.zeros([size if isinstance(size, int) else 1 for size in entry.shape], np.float32)
            binding.bind_ortvalue_input(entry.name, runtime.OrtValue.ortvalue_from_numpy(zeros, device, 0))
        for entry in session.get_outputs():
            shape = [size if isinstance(size, int) else 1 for size in entry.shape]
            kept = runtime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
            binding.bind_ortvalue_output(entry.name, kept)
        return _microseconds(lambda: session.run_with_iobinding(binding))
    except Exception as error:  # ONNX Runtime's own exceptions share no base
        return f"not possible ({str(error).splitlines()[0][:120]})"


def critic_ms(device: Device) -> float:
    """Return what an exact map of a random window takes."""
    critic, random = Critic(load_bundle("retina"), device), random_stream(0, Purpose.BENCHMARK)
    windows = (random.random((WINDOWS, critic.window_bins, critic.units)) < 0.04).astype(np.uint8)
    return 1000 * _median_s(lambda: exact_importance(windows, critic, random), 1.0) / WINDOWS


def training_ms(device: Device) -> float:
    """Return what a step of training takes: the difference of a longer and a shorter run."""
    took_s = []
    with tempfile.TemporaryDirectory() as folder:
        for steps in (STEPS, 2 * STEPS):
            command = [sys.executable, "-m", "spikeloop", "train", "--data", "simulated", "--steps", str(steps)]
            began_s = time.monotonic()
            subprocess.run(
                [*command, "--device", device, "--out", f"{folder}/{steps}"], check=True, capture_output=True
            )
            took_s.append(time.monotonic() - began_s)
    return 1000 * (took_s[1] - took_s[0]) / STEPS


def _both(measured: Callable[[Device], float]) -> str:
    return f"GPU {measured('cuda'):.3g}, CPU {measured('cpu'):.3g}"


def _random_bins(bundle: Bundle, bins: int, copies: int) -> tuple[Any, Any, Any]:
    random, card = random_stream(0, Purpose.BENCHMARK), bundle.card
    conditions = np.zeros((bins, copies, len(card.conditions)), np.float32)
    uniform = random.random((bins, card.uniform_size), np.float32)
    return conditions, uniform, random.standard_normal((bins, card.normal_size), np.float32)


def _microseconds(run: Callable[[], object]) -> str:
    return f"{_median_s(run, 1.0) * 1e6:.3g}"


def _median_s(run: Callable[[], object], seconds: float) -> float:
    """Run for so long, after once for nothing; return how long one takes."""
    run()
    took_s, until_s = [], time.monotonic() + seconds
    while len(took_s) < LEAST_RUNS or time.monotonic() < until_s:
        began_s = time.perf_counter()
        run()
        took_s.append(time.perf_counter() - began_s)
    return float(np.median(took_s))
