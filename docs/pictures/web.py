"""docs/web.png: the page of `spikeloop web` while its population is driven."""

from browser import has_browser, opened
from places import DOCS

import spikeloop

NAME = "docs-web"
WIDTH, HEIGHT = 1320, 900  # of the window, in pixels
BEFORE_MS, DRIVEN_MS = 9000, 2500  # at rest, and then to the left
BEGUN = "Number(document.querySelector('#checksum').dataset.bins) > 0"


def main() -> None:
    if not has_browser("docs/web.png"):
        return
    with spikeloop.web("m1-sim", name=NAME, port=0) as served, opened(served.url, WIDTH, HEIGHT) as page:
        while not page.evaluate(BEGUN):
            page.wait_for_timeout(100)
        page.wait_for_timeout(BEFORE_MS)
        box = page.locator("#pad").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 0.42 * box["width"], y, steps=5)
        page.wait_for_timeout(DRIVEN_MS)
        page.screenshot(path=DOCS / "web.png")
