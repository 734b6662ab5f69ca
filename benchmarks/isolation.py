"""What a decoder in a process of its own costs: a step there beside the same step here, in turn on the same counts."""

import tempfile
import time
from pathlib import Path

import numpy as np

from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.inference.isolation.isolated_decoder import DecoderHost

PROGRAM = """
import numpy as np

class Linear:
    def fit(self, counts, kinematics):
        self.weights = np.linalg.lstsq(counts, kinematics, rcond=None)[0]

    def step(self, counts):
        return counts @ self.weights
"""
UNITS, BIN_S, CALIBRATION_BINS, AT_ONCE = (96, 1024), 0.02, 3000, 100


def measure(seconds: float) -> dict:
    """A linear decoder of one's own, for so long a number of units."""
    return {
        "about": "A linear decoder of one's own (`python:FILE.py:NAME`), a step of 20 ms after another as fast as they"
        f" come: in a process of its own and in this one, {AT_ONCE} steps of each in turn.",
        "rows": [_measure(units, seconds) for units in UNITS],
        "notes": [
            "A step goes over a pair of local sockets: the counts as a pickle, the velocity back as plain numbers."
            " `added` is the difference of the medians. `open`: until the decoder can be fitted."
        ],
    }


def _measure(units: int, seconds: float) -> dict:
    random = random_stream(0, Purpose.BENCHMARK)
    counts = random.poisson(0.4, (CALIBRATION_BINS, units)).astype(np.uint8)
    velocity = random.standard_normal((CALIBRATION_BINS, 2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.py"
        path.write_text(PROGRAM)
        spec = parse_decoder(f"python:{path}:Linear")
        began_s = time.perf_counter()
        with DecoderHost(spec) as there, DecoderHost(spec, in_process=True) as here:
            decoders = [there.open(units=units, bin_size_s=BIN_S, seed=0)]
            open_s = time.perf_counter() - began_s
            decoders.append(here.open(units=units, bin_size_s=BIN_S, seed=0))
            took_ms: list[list[float]] = [[], []]
            for decoder in decoders:
                decoder.fit(counts, velocity)
            until_s = time.perf_counter() + seconds
            while time.perf_counter() < until_s:
                for decoder, took in zip(decoders, took_ms, strict=True):
                    for bin_counts in counts[:AT_ONCE]:
                        began_s = time.perf_counter()
                        decoder.step(bin_counts)
                        took.append((time.perf_counter() - began_s) * 1000)
    (there_p50, there_p99), (here_p50, here_p99) = (np.percentile(took, (50, 99)) for took in took_ms)
    return {
        "units": units,
        "steps": len(took_ms[0]),
        "own process p50 (ms)": float(there_p50),
        "p99 (ms)": float(there_p99),
        "this process p50 (ms)": float(here_p50),
        "this p99 (ms)": float(here_p99),
        "added p50 (ms)": float(there_p50 - here_p50),
        "open (s)": open_s,
    }
