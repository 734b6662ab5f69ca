"""Draw docs/gallery/*.png: the pages and pictures that commands write. `make picture`; pages need Chromium.

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
    "closed_loop": (1250, "closedloop --decoder kalman ridge population_vector --report"),
    "days": (1250, "closedloop --days 10 --drift channels --policy none daily --trials 16 --report"),
    "decode": (1000, "decode m1-sim:120 --decoder kalman ridge population_vector --bin-ms 20 100 --report"),
    "inspect": (1000, "inspect m1-sim:120 --html"),
    "evaluate": (1400, "evaluate retina-movie --data retina --report"),
}
IMPORTANCE = "importance retina --data retina --out maps.npz --plot"


def main() -> None:
    GALLERY.mkdir(exist_ok=True)
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    with tempfile.TemporaryDirectory() as folder:
        _write(IMPORTANCE, GALLERY / "importance.png", folder)
        for name, (height, command) in PAGES.items() if browser is not None else ():
            page = Path(folder) / f"{name}.html"
            if _write(command, page, folder):
                _photograph(str(browser), page, GALLERY / f"{name}.png", height)


def _write(command: str, target: Path, folder: str) -> bool:
    """Run a command that writes that file; say whether it did."""
    outcome = subprocess.run([sys.executable, "-m", "spikeloop", *command.split(), target], cwd=folder, check=False)
    if outcome.returncode:
        print(f"no {target.name}; its picture stays as it is")
    return outcome.returncode == 0


def _photograph(browser: str, page: Path, picture: Path, height: int) -> None:
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--blink-settings=preferredColorScheme=1"]
    size, target = f"--window-size={WIDTH},{height}", f"--screenshot={picture}"
    subprocess.run([browser, *options, size, target, page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
