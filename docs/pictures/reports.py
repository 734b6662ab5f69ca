"""docs/gallery/*.png: the pages that commands write."""

import subprocess
import sys
import tempfile
from pathlib import Path

from browser import has_browser, photograph
from places import DOCS

GALLERY = DOCS / "gallery"
WIDTH = 1100  # of the window, in pixels
PAGES = {  # picture -> height in pixels, and the command that writes the page, without its name
    "closed_loop": (1250, "closedloop --decoder kalman ridge population_vector --trials 32 --report"),
    "decode": (1000, "decode m1-sim:120 --decoder kalman ridge --bin-ms 20 100 --report"),
    "inspect": (1000, "inspect m1-sim:120 --html"),
    "evaluate": (1400, "evaluate retina-movie --data retina --report"),
    "importance": (1400, "importance retina --data retina --windows 5 --out maps.npz --plot"),
    "days": (1250, "closedloop --days 5 --drift channels --policy none daily --trials 8 --report"),
}


def main() -> None:
    if not has_browser("docs/gallery"):
        return
    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (height, command) in PAGES.items():
            page = Path(folder) / f"{name}.html"
            words = [sys.executable, "-m", "spikeloop", *command.split(), str(page)]
            if subprocess.run(words, cwd=folder, check=False).returncode:
                print(f"docs/gallery/{name}.png stays as it is")
            else:
                photograph(page, GALLERY / f"{name}.png", WIDTH, height)
