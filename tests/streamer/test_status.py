import asyncio
import io
import threading
import time

import numpy as np
import pytest
from rich.console import Console

from spikeloop.streamer import status as status_module
from spikeloop.streamer.clock import SimulatedClock
from spikeloop.streamer.condition import RestFeed
from spikeloop.streamer.health import Health
from spikeloop.streamer.loop import stream
from spikeloop.streamer.status import Status, braille_raster, format_report


def test_a_picture_becomes_braille():
    dots = np.zeros((5, 3), bool)
    dots[0, 0] = dots[3, 1] = dots[4, 2] = True
    assert braille_raster(dots) == "\u2881\u2800\n\u2800\u2801"


class Diagonal:
    """Unit k fires in every bin that leaves the rest k."""

    bin_size_s = 0.02
    run_bins = 1
    dtype = np.dtype(np.uint8)

    def __init__(self, units: int) -> None:
        self.unit_names, self.bin = tuple(map(str, range(units))), 0

    def rehearse(self) -> None:
        pass

    def take(self, bins: int, conditions: np.ndarray | None = None) -> np.ndarray:
        numbers = np.arange(self.bin, self.bin + bins)
        self.bin += bins
        return (numbers[:, None] % len(self.unit_names) == np.arange(len(self.unit_names))).astype(np.uint8)


@pytest.mark.parametrize("step_bins", [1, 5, 400])
async def test_the_raster_shows_the_latest_bins(step_bins):
    health = Health(0.02, 4)
    status = Status(health, lambda: True, Console(file=io.StringIO()))
    await stream(
        Diagonal(4), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=step_bins, seed=0, bins=400
    )
    expected = np.arange(400 - status_module.COLUMNS, 400) % 4 == np.arange(4)[:, None]
    np.testing.assert_array_equal(status._dots, expected)


async def test_many_units_share_rows():
    health = Health(0.02, 100)
    status = Status(health, lambda: True, Console(file=io.StringIO()))
    await stream(
        Diagonal(100), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=1, seed=0, bins=100
    )
    assert status._dots.shape[0] <= status_module.ROWS
    assert status._dots.sum() == 100


@pytest.mark.parametrize("terminal", [True, False])
async def test_the_status_tells_how_the_stream_fares(terminal, monkeypatch):
    monkeypatch.setattr(status_module, "REFRESH_S", 0.01)
    monkeypatch.setattr(status_module, "LINE_EVERY_S", 0.01)
    shown = io.StringIO()
    health = Health(0.02, 4)
    states = iter(["live", "held"])
    remark = lambda: f"condition {next(states, 'resting')}"  # noqa: E731
    status = Status(health, lambda: False, Console(file=shown, force_terminal=terminal, width=80), [remark])
    await stream(
        Diagonal(4), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=1, seed=0, bins=100
    )
    with status:
        deadline = time.monotonic() + 20
        while "resting" not in shown.getvalue() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    for said in (
        "2.0 s",
        "ratio 1.0000",
        "0 late",
        "12.50 Hz  no consumer",
        "condition live",
        "condition held",
        "condition resting",
    ):
        assert said in shown.getvalue()
    assert (max(shown.getvalue()) >= "\u2800") == terminal
    assert "ratio 1.0000" in format_report(health.report())


async def test_a_terminal_that_stands_still_does_not_hold_up_the_loop(monkeypatch):
    """As after Ctrl-S, or a pipe that nobody reads."""
    monkeypatch.setattr(status_module, "REFRESH_S", 0.001)
    monkeypatch.setattr(status_module, "LONGEST_FRAME_S", 0.05)
    released = threading.Event()
    held_up = threading.Event()

    class StandsStill(io.StringIO):
        def write(self, text: str) -> int:
            held_up.set()
            released.wait(20)
            return len(text)

    health = Health(0.02, 4)
    status = Status(health, lambda: True, Console(file=StandsStill(), force_terminal=True, width=120))
    with status:
        while not held_up.is_set():
            await asyncio.sleep(0.001)
        await stream(
            Diagonal(4), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=1, seed=0, bins=500
        )
    assert health.report().bins == 500
    assert not released.is_set()
    released.set()
    status._thread.join(20)


def test_a_terminal_that_breaks_ends_the_status_and_nothing_else(monkeypatch):
    monkeypatch.setattr(status_module, "REFRESH_S", 0.001)

    class Breaks(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("gone")

    with Status(Health(0.02, 4), lambda: True, Console(file=Breaks(), force_terminal=True)) as status:
        status._thread.join(20)
    assert not status._thread.is_alive()
