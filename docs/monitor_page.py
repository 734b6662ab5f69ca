"""Draw docs/monitor.png: the page of `spikeloop monitor` for a stream of the retina. `make picture`; needs Chromium."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME, WATCHED_S, LONGEST_S = "docs-monitor", 90.0, 1500.0
PREPARING = "are being prepared"  # what the page says of its reference, for long on a slow machine
SIZE = "1200,1560"  # of the window, in pixels
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
            watch = [*spikeloop, "monitor", NAME, "--wait", "--metrics", "0", "--snapshot", str(page)]
            watched_s = WATCHED_S
            while watched_s <= LONGEST_S:
                subprocess.run([*watch, "--duration", f"{watched_s:g}"], check=True)
                if PREPARING not in page.read_text("utf-8"):
                    break
                watched_s *= 2
        finally:
            stream.terminate()
            stream.wait()
        target = Path(__file__).with_name("monitor.png")
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}", f"--screenshot={target}"]
        subprocess.run([browser, *options, page.as_uri()], check=True)


if __name__ == "__main__":
    main()
