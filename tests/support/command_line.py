"""Commands run in the test's own process, as their entry on the command line runs them."""

import contextlib
import io
import json
import shlex
from pathlib import Path

import pytest

from spikeloop.__main__ import main


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 0


def printed_by(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """The one JSON document of a command that ends well."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments), "--json"])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return json.loads(printed.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code and the message of a command that fails at once."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, printed.err


def typed(line: str, folder: Path) -> str:
    """What a line for a shell, `spikeloop ...`, prints that runs in that folder and ends well."""
    _, *arguments = shlex.split(line)
    printed, told = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(told),
        pytest.raises(SystemExit) as stopped,
    ):
        main(arguments)
    assert stopped.value.code == 0, told.getvalue()
    return printed.getvalue()
