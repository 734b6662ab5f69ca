"""Simulated days, bit by bit: a chain of hashes over the counts, the same however bins are cut into steps."""

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from numpy.typing import NDArray

from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.step import Step

__all__ = ["HashChain", "SimulatedDays", "first_difference", "simulate", "soak_days"]

BLOCK_S = 3600.0
STEPS = (50, 997)  # bins; that share no factor
LATEST_S = 1e-6  # by which the end may be off


class HashChain:
    """A sink of steps; each block's hash covers the counts of the block and the hash of the block before.

    Parameters
    ----------
    block_bins : int >= 1

    Attributes
    ----------
    hashes : list of str
        Of the blocks, SHA-256.
    """

    def __init__(self, block_bins: int) -> None:
        self.hashes: list[str] = []
        self._block_bins, self._left = block_bins, block_bins
        self._hash = hashlib.sha256()

    def push(self, step: Step) -> None:
        """Add the counts of a step."""
        self.add(step.counts)

    def add(self, counts: NDArray) -> None:
        """Add bins, (bins, units)."""
        while len(counts):
            part, counts = counts[: self._left], counts[self._left :]
            self._hash.update(part.tobytes())
            self._left -= len(part)
            if not self._left:
                self._end_block()

    def end(self) -> None:
        """End the last block, where it is not whole."""
        if self._left < self._block_bins:
            self._end_block()

    def _end_block(self) -> None:
        self.hashes.append(self._hash.hexdigest())
        self._hash, self._left = hashlib.sha256(self._hash.digest()), self._block_bins


@dataclass(frozen=True)
class SimulatedDays:
    """A stream on a simulated clock.

    Attributes
    ----------
    bundle, sha256 : str
    seed, step_bins, bins : int
    hashes : list of str
        One for each hour.
    took_s, cpu_s : float, s
        Of real time, and of a core.
    late_steps : int
    ratio : float
        Streamed over passed time, on the simulated clock.
    """

    bundle: str
    sha256: str
    seed: int
    step_bins: int
    bins: int
    hashes: list[str]
    took_s: float
    cpu_s: float
    late_steps: int
    ratio: float


def simulate(bundle: str, seed: int, step_bins: int, days: float) -> SimulatedDays:
    """Stream so many days through the loop that streams in real time, on a clock that waits for nothing."""
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    loaded = load_bundle(bundle)
    card = loaded.card
    bins = round(days * 86_400 / card.bin_size_s)
    chain, clock = HashChain(round(BLOCK_S / card.bin_size_s)), SimulatedClock()
    health = Health(card.bin_size_s, len(card.unit_names))
    source = open_source(loaded, seed, "cpu")
    asyncio.run(
        stream(
            source, [chain], clock, health, RestFeed(card.channels), start_s=0.0, step_bins=step_bins, seed=seed,
            bins=bins,
        )
    )  # fmt: skip
    chain.end()
    report = health.report()
    return SimulatedDays(
        card.name, loaded.sha256, seed, step_bins, report.bins, chain.hashes, time.perf_counter() - began_s,
        time.process_time() - cpu_began_s,
        report.late_steps, report.ratio,
    )  # fmt: skip


def first_difference(runs: Sequence[SimulatedDays]) -> int | None:
    """Return the first hour, from 0 on, in which runs differ; None where they are the same."""
    hours = max(len(run.hashes) for run in runs)
    for hour in range(hours):
        if len({run.hashes[hour] if hour < len(run.hashes) else None for run in runs}) > 1:
            return hour
    return None


def soak_days(days: float, bundle: str, seed: int, out: Path) -> bool:
    """Simulate days in steps of two lengths, side by side; report it, and return whether all holds."""
    with ProcessPoolExecutor(len(STEPS), get_context("spawn")) as pool:
        waiting = [pool.submit(simulate, bundle, seed, step_bins, days) for step_bins in STEPS]
        runs = [each.result() for each in waiting]
    difference = first_difference(runs)
    for run in runs:
        print(
            f"{run.bundle}, seed {run.seed}: {run.bins:,} bins in steps of {run.step_bins}, {run.took_s:.0f} s,"
            f" {run.cpu_s:.0f} s of a core ({days * 86_400 / run.cpu_s:.0f} times real time);"
            f" ratio {run.ratio:.9f}, {run.late_steps} late steps; last hash {run.hashes[-1][:16]}"
        )
    (out / "days.json").write_text(json.dumps({"days": days, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")
    holds = difference is None and all(run.ratio == 1 and not run.late_steps for run in runs)
    print("the same, bit by bit" if difference is None else f"they differ from hour {difference} on", out / "days.json")
    return holds
