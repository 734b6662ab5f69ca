"""The live status of a stream in the terminal: figures and a small raster."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.text import Text

from spikeloop.models.significant import significant
from spikeloop.streamer.commands.live_line import LiveLine
from spikeloop.streamer.commands.results.braille import braille_raster
from spikeloop.streamer.stream.health import Health
from spikeloop.streamer.stream.step import Step

__all__ = ["Status"]

COLUMNS, ROWS = 128, 48  # dots of the raster; a character holds 2 x 4
SPAN_S = 2.5  # time that the raster shows


class Status:
    """A sink that shows what goes out, from entering to leaving the context.

    Parameters
    ----------
    health : Health
        The stream's figures.
    has_consumers : callable
        Whether anybody receives the stream.
    console : rich.console.Console
        Where to print; plain lines where that is no terminal.
    remarks : sequence of callable
        Each returns a few words to add.
    """

    def __init__(
        self,
        health: Health,
        has_consumers: Callable[[], bool],
        console: Console,
        remarks: Sequence[Callable[[], str]] = (),
    ) -> None:
        self._health = health
        self._has_consumers = has_consumers
        self._console = console
        self._further_remarks = tuple(remarks)
        self._bins_per_dot = max(1, round(SPAN_S / COLUMNS / health.bin_size_s))
        self._units_per_dot = -(-health.units // ROWS)
        rows = -(-health.units // self._units_per_dot)
        self._dots = np.zeros((rows, COLUMNS), bool)
        self._drawn_to = 0  # columns since the start
        self._undrawn: deque[Step] = deque()

    def push(self, step: Step) -> None:
        """Keep a step until the raster is drawn, in another thread; of more than it can show, the latest."""
        self._undrawn.append(step)
        shown_from = step.first_bin - COLUMNS * self._bins_per_dot
        with suppress(IndexError):  # the other thread is as quick
            while self._undrawn[0].first_bin < shown_from:
                self._undrawn.popleft()

    def raster(self) -> NDArray[np.bool_]:
        """Return what fired lately as dots, (rows, COLUMNS), the latest on the right."""
        with suppress(IndexError):  # none is left
            while True:
                self._draw(self._undrawn.popleft())
        return self._dots

    def _draw(self, step: Step) -> None:
        bins, units = np.nonzero(step.counts)
        columns = (step.first_bin + bins) // self._bins_per_dot
        newest = (step.first_bin + len(step.counts) - 1) // self._bins_per_dot
        shift = newest - self._drawn_to
        if shift > 0:
            self._dots = np.roll(self._dots, -shift, axis=1)
            self._dots[:, -min(shift, COLUMNS) :] = False
            self._drawn_to = newest
        place = COLUMNS - 1 - (newest - columns)
        visible = place >= 0
        self._dots[units[visible] // self._units_per_dot, place[visible]] = True

    def __enter__(self) -> Self:
        self._live = LiveLine(self._console, self._line, picture=self._picture)
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(*error)

    def _line(self) -> Text:
        return Text("  ").join([self._figures(), *self._remarks()])

    def _picture(self) -> Group:
        return Group(self._figures(), *self._remarks(), *self._raster())

    def _raster(self) -> list[Text]:
        can_show = self._console.encoding.startswith("utf")
        return [Text(braille_raster(self.raster()), style="cyan")] if can_show else []

    def _remarks(self) -> list[Text]:
        return [Text(remark(), no_wrap=True, overflow="ellipsis") for remark in self._further_remarks]

    def _figures(self) -> Text:
        report = self._health.report()
        if not report.steps:
            return Text("starting")
        return Text(  # in 80 columns
            f"{report.bins * self._health.bin_size_s:8.1f} s  speed {report.ratio:.4f}"
            f"  lateness p99 {significant(report.lateness_ms['p99'])} ms, {report.late_steps} late"
            f"  {report.mean_rate_hz:.2f} Hz  {'consumers' if self._has_consumers() else 'no consumer'}",
            no_wrap=True,
            overflow="ellipsis",
        )
