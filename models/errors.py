"""Errors that a user can act on: what was expected, what was found, what to do."""

__all__ = ["BadInputError", "FailureError", "SpikeloopError"]


class SpikeloopError(Exception):
    """Base of every error that spikeloop raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


class BadInputError(SpikeloopError):
    """Something handed in (a name, a file, an option) can't be used."""

    exit_code = 2


class FailureError(SpikeloopError):
    """Something broke while running (a model, the disk, the network)."""
