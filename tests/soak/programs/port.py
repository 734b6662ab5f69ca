"""Wait until a server listens: `port HOST PORT SECONDS`."""

import sys
import time

from tests.soak.programs.garbage import accepts

LOOK_EVERY_S = 0.05


def main(host: str, port: str, seconds: str) -> None:
    end_s = time.monotonic() + float(seconds)
    while not accepts(host, int(port)):
        if time.monotonic() > end_s:
            sys.exit(f"nothing listens on {host}:{port}")
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
