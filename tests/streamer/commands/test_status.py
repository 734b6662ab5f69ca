import asyncio
import io
import time

import numpy as np
import pytest
from rich.console import Console

from spikeloop.streamer.commands import live_line
from spikeloop.streamer.commands import status as status_module
from spikeloop.streamer.commands.results.braille import braille_raster
from spikeloop.streamer.commands.status import Status
from spikeloop.streamer.conditions.feeds import RestFeed
from spikeloop.streamer.launch.report import health_words
from spikeloop.streamer.stream.clock import SimulatedClock
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.loop import stream


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

    def warm_up(self) -> None:
        pass

    def next(self, bins: int, conditions: np.ndarray | None = None) -> np.ndarray:
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
    np.testing.assert_array_equal(status.raster(), expected)


async def test_many_units_share_rows():
    health = Health(0.02, 100)
    status = Status(health, lambda: True, Console(file=io.StringIO()))
    await stream(
        Diagonal(100), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=1, seed=0, bins=100
    )
    assert status.raster().shape[0] <= status_module.ROWS
    assert status.raster().sum() == 100


@pytest.mark.parametrize("terminal", [True, False])
async def test_the_status_tells_how_the_stream_fares(terminal, monkeypatch):
    monkeypatch.setattr(live_line, "REFRESH_S", 0.01)
    monkeypatch.setattr(live_line, "LINE_EVERY_S", 0.01)
    shown = io.StringIO()
    health = Health(0.02, 4)
    states = iter(["live", "held"])
    remark = lambda: f"condition {next(states, 'resting')}"  # noqa: E731
    status = Status(health, lambda: False, Console(file=shown, force_terminal=terminal, width=80), [remark])
    await stream(
        Diagonal(4), [status], SimulatedClock(), health, RestFeed(()), start_s=0, step_bins=1, seed=0, bins=100
    )
    with status:
        deadline = time.monotonic() + 250
        while "resting" not in shown.getvalue() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    for said in (
        "2.0 s",
        "speed 1.0000",
        "0 late",
        "12.50 Hz  no consumer",
        "condition live",
        "condition held",
        "condition resting",
    ):
        assert said in shown.getvalue()
    assert (max(shown.getvalue()) >= "\u2800") == terminal
    assert "speed relative to real time 1.0000" in health_words(health.report())
