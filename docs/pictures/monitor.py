"""docs/monitor.png: the page of `spikeloop monitor` for a stream of the retina."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browser import has_browser, photograph
from places import DOCS

NAME, WATCHED_S, LONGEST_S = "docs-monitor", 90.0, 1500.0
PREPARING = "are being prepared"  # what the page says of its reference, for long on a slow machine
WIDTH, HEIGHT = 1200, 1560  # of the window, in pixels
SPIKELOOP = [sys.executable, "-m", "spikeloop"]


def main() -> None:
    if not has_browser("docs/monitor.png"):
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "monitor.html"
        stream = subprocess.Popen([*SPIKELOOP, "stream", "retina", "--name", NAME])
        try:
            time.sleep(2)
            _watch(page)
        finally:
            stream.terminate()
            stream.wait()
        photograph(page, DOCS / "monitor.png", WIDTH, HEIGHT)


def _watch(page: Path) -> None:
    """Watch the stream, for longer where the reference was not ready."""
    watch = [*SPIKELOOP, "monitor", NAME, "--wait", "--metrics", "0", "--snapshot", str(page)]
    watched_s = WATCHED_S
    while watched_s <= LONGEST_S:
        subprocess.run([*watch, "--duration", f"{watched_s:g}"], check=True)
        if PREPARING not in page.read_text("utf-8"):
            break
        watched_s *= 2
