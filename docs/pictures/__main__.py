"""Draw the pictures of README and docs: `make pictures`; `make pictures ARGS="raster loop"` draws those.

Those of pages need Chromium, and those of real recordings SPIKELOOP_DATA; without them they stay as they are.
"""

import sys
from importlib import import_module

PICTURES = ("raster", "trajectories", "loop", "terminal", "monitor", "web", "reports")


def main(chosen: list[str]) -> None:
    if unknown := set(chosen) - set(PICTURES):
        raise SystemExit(f"expected some of {', '.join(PICTURES)}, found {', '.join(unknown)}")
    for name in chosen or PICTURES:
        import_module(name).main()


if __name__ == "__main__":
    main(sys.argv[1:])
