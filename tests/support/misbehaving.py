"""Decoders that do what no decoder should, each in its own way, for tests of what becomes of them."""

from pathlib import Path

from spikeloop.streamer.inference.isolation.limits import DecoderLimits

__all__ = ["LIMITS", "REASONS", "write_misbehaving"]

PROGRAM = """
import ctypes, os, sys, time
from pathlib import Path
import numpy as np

class Still:
    steps = 0
    def fit(self, counts, kinematics):
        Path(__file__).with_suffix(f".{os.getpid()}").touch()
    def step(self, counts):
        self.steps += 1
        return self.misbehave(counts) if self.steps > 120 else np.zeros(2)
    def misbehave(self, counts):
        return np.zeros(2)

class Hang(Still):
    def misbehave(self, counts):
        Path(__file__).with_suffix(".hangs").touch()
        while True:
            pass

class Exit(Still):
    def misbehave(self, counts):
        os._exit(3)

class Segfault(Still):
    def misbehave(self, counts):
        ctypes.string_at(0)

class Leak(Still):
    kept = []
    def misbehave(self, counts):
        self.kept.append(np.ones(2**23))
        return np.zeros(2)

class Fork(Still):
    def misbehave(self, counts):
        os.fork()
        return np.zeros(2)

class BareFork(Still):
    def misbehave(self, counts):
        ctypes.CDLL(None).fork()
        return np.zeros(2)

class Flood(Still):
    def misbehave(self, counts):
        os.write(2, b"x" * 2**20)
        return np.zeros(2)

class Raise(Still):
    def misbehave(self, counts):
        raise ValueError("enough")

class Shape(Still):
    def misbehave(self, counts):
        return np.zeros(3)

class NotANumber(Still):
    def misbehave(self, counts):
        return np.array([0.0, np.nan])

class Slow(Still):
    def misbehave(self, counts):
        time.sleep(1.0)
        return np.zeros(2)

class Babble(Still):
    def misbehave(self, counts):
        import gc, socket
        for wire in [each for each in gc.get_objects() if isinstance(each, socket.socket)]:
            wire.sendall(b"?" * 64)
        return np.zeros(2)

class HangInFit(Still):
    def fit(self, counts, kinematics):
        while True:
            pass

class Reads(Still):
    def misbehave(self, counts):
        return np.zeros(2) if sys.stdin.read() == "" else None
"""

LIMITS = DecoderLimits(fit_s=10.0, step_s=10.0, slow_s=0.5, memory_mib=320.0, printed_mib=1.5)
REASONS = {
    "Hang": "hung: step gave no answer within 10 s",
    "Exit": "ended its process in step, with exit code 3",
    "Segfault": "crashed in step: killed by SIGSEGV, in string_at",
    "Leak": "out of memory in step: uses more than 320 MiB",
    "Fork": "RuntimeError: a decoder may not fork its process",
    "Flood": "flooded: printed more than 1.5 MiB",
    "Raise": "failed: ValueError: enough, in misbehave",
    "Shape": "expected step to give finite numbers of shape (2,), found [0.0, 0.0, 0.0] of shape (3,)",
    "NotANumber": "expected step to give finite numbers of shape (2,), found [0.0, nan]",
    "Slow": "slow: steps took more than 0.5 s on average",
}  # what a failure says of each of ten


def write_misbehaving(folder: Path) -> dict[str, str]:
    """Write the decoders to a file; return each one's text by its name. Each leaves FILE.PROCESS when it is fitted."""
    path = folder / "misbehaving.py"
    path.write_text(PROGRAM)
    names = [
        line.split()[1].partition("(")[0].rstrip(":") for line in PROGRAM.splitlines() if line.startswith("class ")
    ]
    return {name: f"python:{path}:{name}" for name in names}
