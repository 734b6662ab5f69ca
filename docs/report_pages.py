"""Draw docs/gallery/*.png: the pages that commands write. `make picture`; needs Chromium.

Those of real recordings need SPIKELOOP_DATA; without it their pictures stay as they are.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GALLERY = Path(__file__).with_name("gallery")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 1100  # of the window, in pixels
PAGES = {  # picture -> height in pixels, and the command that writes the page, without its name
    "closed_loop": (1250, "closedloop --decoder kalman ridge population_vector --trials 32 --report"),
    "decode": (1000, "decode m1-sim:120 --decoder kalman ridge --bin-ms 20 100 --report"),
    "inspect": (1000, "inspect m1-sim:120 --html"),
    "evaluate": (1400, "evaluate retina-movie --data retina --report"),
    "importance": (1000, "importance retina --data retina --windows 5 --out maps.npz --plot"),
    "days": (1250, "closedloop --days 5 --drift channels --policy none daily --trials 8 --report"),
}


def main() -> None:
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        print("docs/gallery stays as it is: no Chromium here")
        return
    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (height, command) in PAGES.items():
            page = Path(folder) / f"{name}.html"
            words = [sys.executable, "-m", "spikeloop", *command.split(), str(page)]
            if subprocess.run(words, cwd=folder, check=False).returncode:
                print(f"docs/gallery/{name}.png stays as it is")
            else:
                _photograph(browser, page, GALLERY / f"{name}.png", height)


def _photograph(browser: str, page: Path, picture: Path, height: int) -> None:
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--blink-settings=preferredColorScheme=1"]
    size, target = f"--window-size={WIDTH},{height}", f"--screenshot={picture}"
    subprocess.run([browser, *options, size, target, page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
