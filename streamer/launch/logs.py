"""Logging for the command line: what the logger `spikeloop` gets is printed on stderr, from a level on.

As a library, spikeloop prints nothing on its own: its loggers, `spikeloop` and those below it, have no handler but the
program's.
"""

import logging
import sys
from typing import Any

from spikeloop.models.scalars import checked_choice

__all__ = ["configure_logging"]

LEVELS = ("debug", "info", "warning", "error")


class _StderrHandler(logging.StreamHandler[Any]):
    """Prints on whatever `sys.stderr` is at the time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Do without a reader that is gone."""


def configure_logging(level: str) -> None:
    """Print messages of spikeloop on stderr; those of liblsl too, from the level info on.

    Call it before LSL is used for the first time: liblsl can't be asked later. Another call replaces the level.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        The least severe messages to print.

    Raises
    ------
    BadInputError
        If there is no such level.
    """
    checked_choice("--log-level", level, LEVELS)
    logger = logging.getLogger("spikeloop")
    if not any(isinstance(handler, _StderrHandler) for handler in logger.handlers):
        logger.addHandler(_StderrHandler())
    logger.setLevel(level.upper())
