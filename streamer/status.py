"""The live status of a stream in the terminal: figures, and a small raster."""

import threading
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from spikeloop.streamer.health import Health, HealthReport
from spikeloop.streamer.loop import Step

__all__ = ["Status", "braille_raster", "format_report"]

COLUMNS, ROWS = 128, 48  # dots of the raster; a character holds 2 x 4
SPAN_S = 2.5  # time that the raster shows
REFRESH_S = 0.25
LINE_EVERY_S = 10.0  # where the output is no terminal
LONGEST_FRAME_S = 1.0  # to wait at the end for a frame that is being written
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's braille patterns


class Status:
    """A sink that shows what goes out, from a thread of its own: a terminal may stand still, a stream may not.

    Shown from entering to leaving the context.

    Parameters
    ----------
    health : the stream's figures
    has_consumers : whether anybody listens
    console : where it is shown; plain lines where that is no terminal
    remarks : what to add, a few words each
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
        self._told_besides = tuple(remarks)
        self._bins_per_dot = max(1, round(SPAN_S / COLUMNS / health.bin_size_s))
        self._units_per_dot = -(-health.units // ROWS)
        rows = -(-health.units // self._units_per_dot)
        self._dots = np.zeros((rows, COLUMNS), bool)
        self._drawn_to = 0  # columns since the start
        self._ended = threading.Event()

    def push(self, step: Step) -> None:
        bins, units = step.counts.nonzero()
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
        self._thread = threading.Thread(target=self._show, name="spikeloop-status", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(timeout=LONGEST_FRAME_S)

    def _show(self) -> None:
        """Refresh until the end; a terminal that can't be written to ends the status, never the stream."""
        try:
            if self._console.is_terminal:
                self._show_live()
            else:
                while not self._ended.wait(LINE_EVERY_S):
                    self._console.print(Text("  ").join([self._figures(), *self._remarks()]), soft_wrap=True)
        except Exception:  # of any kind: it is only a picture
            return

    def _show_live(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not self._ended.wait(REFRESH_S):
                live.update(Group(self._figures(), *self._remarks(), *self._raster()), refresh=True)

    def _raster(self) -> list[Text]:
        can_show = self._console.encoding.startswith("utf")
        return [Text(braille_raster(self._dots), style="cyan")] if can_show else []

    def _remarks(self) -> list[Text]:
        return [Text(remark(), no_wrap=True, overflow="ellipsis") for remark in self._told_besides]

    def _figures(self) -> Text:
        report = self._health.report()
        if not report.steps:
            return Text("starting")
        return Text(  # in 80 columns
            f"{report.bins * self._health.bin_size_s:8.1f} s  ratio {report.ratio:.4f}"
            f"  lateness p99 {report.lateness_ms['p99']:.2f} ms, {report.late_steps} late"
            f"  {report.mean_rate_hz:.2f} Hz  {'consumers' if self._has_consumers() else 'no consumer'}",
            no_wrap=True,
            overflow="ellipsis",
        )


def braille_raster(dots: NDArray[np.bool_]) -> str:
    """A boolean picture, (rows, columns), as braille characters of 4 x 2 dots."""
    rows, columns = (-(-size // cell) * cell for size, cell in zip(dots.shape, DOTS.shape, strict=True))
    padded = np.zeros((rows, columns), bool)
    padded[: dots.shape[0], : dots.shape[1]] = dots
    cells = padded.reshape(rows // 4, 4, columns // 2, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * DOTS).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, row)) for row in codes.tolist())


def format_report(report: HealthReport) -> str:
    """The figures of a stream that ended, for people."""
    lateness, inference = report.lateness_ms, report.inference_ms
    return (
        f"{report.bins} bins in {report.steps} steps, ratio {report.ratio:.4f},"
        f" mean rate {report.mean_rate_hz:.2f} Hz\n"
        f"lateness p50 {lateness['p50']:.3f}, p99 {lateness['p99']:.3f}, max {lateness['max']:.3f} ms;"
        f" {report.late_steps} late steps\n"
        f"inference p50 {inference['p50']:.2f}, p99 {inference['p99']:.2f} ms; {report.cpu_cores:.3f} CPU cores"
    )
