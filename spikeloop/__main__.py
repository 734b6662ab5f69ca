"""`python -m spikeloop COMMAND`, and the entry point of the command line."""

from spikeloop.streamer.commands.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
