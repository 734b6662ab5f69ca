"""`python -m benchmarks.recorded WHAT NAME OUT`: receives NAME to its end, and prints as JSON what that took.

WHAT is pull (a bare pylsl inlet), record, or stop (as record, stopped for five seconds on the way).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pylsl
import pylsl.util

from benchmarks.broadband import memory_mb
from spikeloop.streamer.capture.record.record import record
from spikeloop.streamer.capture.record.report import RecordReport

QUIET = "[log]\nlevel = -3\n"
PULL_EVERY_S = 0.02
STOP_AT_S, STOPPED_S = 5.0, 5.0
WAIT_S = 60.0


class Usage:
    """Processor time and memory from when samples come."""

    def __init__(self) -> None:
        self.began_s, self.began_cpu_s, self.stopped = 0.0, 0.0, False
        self.memory_mb: list[int] = []
        self._samples = 0

    def note(self, samples: int) -> None:
        now = time.monotonic()
        if samples and not self.began_s:
            self.began_s, self.began_cpu_s = now, time.process_time()
        comes, self._samples = samples > self._samples, samples
        if comes and now > self.began_s + len(self.memory_mb) + 1:
            self.memory_mb.append(memory_mb())

    def described(self, samples: int, size: int) -> dict:
        half = len(self.memory_mb) // 2
        return {
            "samples": samples,
            "bytes": size,
            "cpu_s": time.process_time() - self.began_cpu_s,
            "memory_mb": [max(part, default=-1) for part in (self.memory_mb[:half], self.memory_mb[half:])],
        }


def pull(name: str) -> dict:
    pylsl.set_config_content(QUIET)
    (found,) = pylsl.resolve_byprop("name", name, timeout=WAIT_S)
    inlet, usage, samples = pylsl.StreamInlet(found, recover=False), Usage(), 0
    into = np.empty((round(found.nominal_srate()), found.channel_count()), inlet.np_dtype)
    inlet.open_stream()
    while True:
        time.sleep(PULL_EVERY_S)
        try:
            _, stamps = inlet.pull_chunk(0.0, len(into), dest_obj=into, as_numpy=True)
        except pylsl.util.LostError:
            return usage.described(samples, 1)
        samples += len(stamps)
        usage.note(samples)


def recorded(name: str, out: str, stop: bool) -> dict:
    usage = Usage()

    def note(report: RecordReport) -> None:
        usage.note(report.samples)
        if stop and usage.began_s and time.monotonic() > usage.began_s + STOP_AT_S and not usage.stopped:
            usage.stopped = True
            continue_later(STOPPED_S)
            os.kill(os.getpid(), signal.SIGSTOP)

    report = record(name, out, wait_s=WAIT_S, until_end=True, on_status=note)
    return usage.described(report.samples, report.size_bytes)


def continue_later(seconds: float) -> None:
    """Have a shell continue this process, which can't do so itself."""
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()}"])


if __name__ == "__main__":
    what, name, out = sys.argv[1:]
    print(json.dumps(pull(name) if what == "pull" else recorded(name, str(Path(out)), what == "stop")))
