"""Draw docs/web.png: the page of `spikeloop web` while its population is driven. `make picture`; needs Chromium."""

import shutil
from pathlib import Path

import spikeloop

NAME = "docs-web"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BEFORE_MS, DRIVEN_MS = 9000, 2500  # at rest, and then to the left
BEGUN = "Number(document.querySelector('#checksum').dataset.bins) > 0"


def main() -> None:
    browser = next((found for found in map(shutil.which, BROWSERS) if found), None)
    if browser is None:
        print("docs/web.png stays as it is: no Chromium here")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver, spikeloop.web("m1-sim", name=NAME, port=0) as served:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1320, "height": 900}, color_scheme="light")
        page.goto(served.url)
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
        page.screenshot(path=Path(__file__).with_name("web.png"))
        opened.close()


if __name__ == "__main__":
    main()
