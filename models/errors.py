"""Errors that a user can act on: what was expected, what was found, what to do."""

__all__ = ["INTERRUPTED", "BadInputError", "FailureError", "SpikeloopError", "in_one_line"]

INTERRUPTED = 130  # exit code after Ctrl-C


class SpikeloopError(Exception):
    """Base of every error that spikeloop raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


class BadInputError(SpikeloopError):
    """A name, a file or an option can't be used as it was given."""

    exit_code = 2


class FailureError(SpikeloopError):
    """Something broke while running (a model, the disk, the network)."""


def in_one_line(error: Exception) -> str:
    """Return what a library said was wrong, on one line and cut where it is long; its type where it said nothing."""
    return f"{' '.join(str(error).split()):.200}" or type(error).__name__
