"""Draw docs/monitor.png: the page of `spikeloop monitor` for a stream of the retina. `make picture`; needs Chromium."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME, WATCHED_S, LIMIT_S = "docs-monitor", 90.0, 300.0
SIZE = "1000,835"  # of the window, in pixels
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        print("docs/monitor.png stays as it is: no Chromium here")
        return
    spikeloop = [sys.executable, "-m", "spikeloop"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "monitor.html"
        stream = subprocess.Popen([*spikeloop, "stream", "retina", "--name", NAME])
        try:
            time.sleep(2)
            watch = [*spikeloop, "monitor", NAME, "--wait", "--metrics", "0", "--duration", f"{WATCHED_S:g}"]
            subprocess.run([*watch, "--snapshot", str(page)], check=True, timeout=LIMIT_S)
        finally:
            stream.terminate()
            stream.wait()
        target = Path(__file__).with_name("monitor.png")
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}", f"--screenshot={target}"]
        subprocess.run([browser, *options, page.as_uri()], check=True, timeout=LIMIT_S)


if __name__ == "__main__":
    main()
