"""`python -m spikeloop COMMAND`, and the entry point of the command line."""

from spikeloop.models.errors import INTERRUPTED
from spikeloop.models.interrupts import exit_when_interrupted

with exit_when_interrupted(INTERRUPTED):
    from spikeloop.streamer.commands.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
