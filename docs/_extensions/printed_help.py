"""What the commands print as their help, for the reference of the command line."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from unittest.mock import patch

from spikeloop.__main__ import main
from spikeloop.streamer.commands.registry import COMMANDS

__all__ = ["help_of", "helps"]

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KINDS = re.compile(r"^usage: [^{}]*(?:\{[^{}]*\}\][^{}]*)*\{([\w,-]+)\}\n\n")  # of a command that has further ones
TERMINAL = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}


def helps() -> Iterator[tuple[str, list[str]]]:
    """Return each command, in the order of `spikeloop --help`, with its help and those of its further ones."""
    for name in COMMANDS:
        own = help_of(name)
        kinds = KINDS.search(own)
        yield name, [own, *(help_of(name, kind) for kind in (kinds[1].split(",") if kinds else ()))]


def help_of(*words: str) -> str:
    """Return what `spikeloop WORDS --help` prints."""
    printed = io.StringIO()
    with patch.dict(os.environ, TERMINAL), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    lines = COLOURS.sub("", printed.getvalue()).strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)
