"""The GPU that a stream was to run on is gone: the stream must not start, and say so."""

import subprocess

import numpy as np
import onnxruntime

from tests.soak.faults.fault import Injected
from tests.soak.lab import Lab
from tests.soak.program import spikeloop
from tests.soak.roster import BUNDLES

__all__ = ["inject", "why_not"]


def why_not(lab: Lab) -> str:
    """Say whether there is a GPU that could be gone."""
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return "" if there else "ONNX Runtime has no GPU here"


def inject(lab: Lab, random: np.random.Generator) -> Injected:
    """Start a stream on a GPU that it can't see."""
    name = f"soak-gpu-{random.integers(2**31)}"
    command = spikeloop("stream", BUNDLES["steady"], "--name", name, "--device", "cuda", "--duration", 1)
    host = lab.network.near
    ended = subprocess.run(
        [*host.prefix, *map(str, command)], capture_output=True, text=True, check=False,
        env=lab.programs["stream-steady"].environment | {"CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    sound = ended.returncode in (1, 2) and "Traceback" not in ended.stderr
    failure = "" if sound else f"expected a message and its exit code, found {ended.returncode}: {ended.stderr[-300:]}"
    return Injected("a stream was started on a GPU that is gone", failure=failure)
