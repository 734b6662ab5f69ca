"""What the page costs: the server's share of a core, the stream's lateness with and without it, frames a second."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import SPIKELOOP, cpu_s, report, running
from benchmarks.random_bundle import write_random_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

UNITS = (96, 1000)
CHROMIUM = "/usr/bin/chromium"
OPENS_WITHIN_S, PREPARES_WITHIN_S = 120.0, 3600.0
AT_ONCE = "from spikeloop.streamer.dashboard import live; live.PREPARING_SHARE = 1.0; " + SPIKELOOP[1]
FRAMES = "Number(document.querySelector('#raster').dataset.frames)"
RECEIVED = "Number(document.querySelector('#checksum').dataset.bins)"
PREPARED = "document.querySelector('#reference').textContent !== 'none yet'"
COUNT_FRAMES = """seconds => new Promise(done => {
  let frames = 0;
  const end = performance.now() + 1000 * seconds;
  const count = now => { frames += 1; now < end ? requestAnimationFrame(count) : done(frames / seconds); };
  requestAnimationFrame(count);
})"""


def measure(seconds: float) -> dict:
    """Streams without and with a page, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for units in UNITS:
            path = Path(folder) / f"random-{units}"
            write_random_bundle(path, units)
            rows += [_without(path, units, seconds), _with_page(path, units, seconds)]
    return {
        "about": f"Random causal Spike-GANs (preset `fast`) at 1 kHz, {seconds:g} s each: `spikeloop stream` alone,"
        " then `spikeloop web` with one page open in headless Chromium, which runs on the same machine. The server's"
        " share of a core is that of its process alone, the stream's not counted: while the reference is prepared, as"
        " on the first run of a bundle, and once it is there, as on every later one. An empty page counts the frames"
        " that the browser can draw.",
        "rows": rows,
    }


def _row(units: int, page: str, lateness: dict[str, float], late_steps: int, **figures: Any) -> dict:
    row = {
        "units": units, "page": page, "lateness p50 (ms)": lateness["p50"], "lateness p99 (ms)": lateness["p99"],
        "late steps": late_steps,
    }  # fmt: skip
    names = ("server, preparing (cores)", "server, prepared (cores)", "frames a second", "of an empty page")
    row |= {name: figures.get(name, "") for name in names}
    print(row, flush=True)
    return row


def _without(path: Path, units: int, seconds: float) -> dict:
    with running() as processes:
        stream = _spikeloop("stream", path, "--name", f"bench-{time.time_ns()}", "--duration", seconds)
        processes.append(stream)
        figures = report(stream)
    return _row(units, "none", figures["lateness_ms"], figures["late_steps"])


def _with_page(path: Path, units: int, seconds: float) -> dict:
    """Two visits: while the reference is prepared, and, on another start, once it is there."""
    preparing, _, _ = _visit(path, seconds, prepared=False)
    prepared, frames, figures = _visit(path, seconds, prepared=True)
    health = figures["own_stream"]
    with _browser() as browser:
        empty = browser.new_page().evaluate(COUNT_FRAMES, min(seconds, 10.0))
    return _row(units, "one", health["lateness_ms"], health["late_steps"], **{
        "server, preparing (cores)": preparing, "server, prepared (cores)": prepared, "frames a second": frames,
        "of an empty page": empty,
    })  # fmt: skip


def _visit(path: Path, seconds: float, prepared: bool) -> tuple[float, float, dict[str, Any]]:
    """Return the server's share of a core, the page's frames a second, and the report."""
    port = _free_port()
    with running() as processes, _browser() as browser:
        name = f"bench-{time.time_ns()}"
        longest_s = 2 * seconds + OPENS_WITHIN_S + PREPARES_WITHIN_S
        program = AT_ONCE if prepared else SPIKELOOP[1]
        server = _spikeloop(
            "web", path, "--name", name, "--port", port, "--duration", longest_s, program=program,
            env=os.environ | {"XDG_CACHE_HOME": str(path.parent / "cache")},
        )  # fmt: skip
        processes.append(server)
        page = _opened(browser, port)
        if prepared:
            _until(page, PREPARED, PREPARES_WITHIN_S)
        began_s, began_cpu_s, began_frames = time.monotonic(), cpu_s(server.pid), page.evaluate(FRAMES)
        page.wait_for_timeout(1000 * seconds)
        passed_s = time.monotonic() - began_s
        share = (cpu_s(server.pid) - began_cpu_s) / passed_s
        frames = (page.evaluate(FRAMES) - began_frames) / passed_s
        server.send_signal(2)  # as Ctrl-C
        return share, frames, report(server, (0, 130))


def _opened(browser: "Browser", port: int) -> "Page":
    """The page, once it shows spikes."""
    deadline_s = time.monotonic() + OPENS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline_s, "the page does not open"
            time.sleep(0.1)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"http://127.0.0.1:{port}/")
    _until(page, f"{RECEIVED} > 0", OPENS_WITHIN_S)
    return page


def _until(page: "Page", expression: str, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(250)


@contextmanager
def _browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _spikeloop(
    *arguments: object, program: str = SPIKELOOP[1], env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
