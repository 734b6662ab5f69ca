"""Options that many commands share hold for the command, for the processes that it starts, and no longer."""

import os

import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.signatures import REQUIRE_SIGNATURE
from spikeloop.models.memory import MAX_MEMORY
from spikeloop.streamer.commands.registry import COMMANDS
from spikeloop.streamer.commands.shared_options import LOADING, READING, options_of
from tests.support.command_line import fails, printed_by

OPTIONS = {"--max-memory SIZE": READING, "--require-signature KEY": LOADING}
KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"  # of minisign's own documentation


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_lists_the_option_where_it_opens_such_files(command, option, capsys):
    if command == "device":
        command = "device probe"
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert (option in capsys.readouterr().out) == (command in OPTIONS[option])


def test_every_command_that_is_named_exists():
    assert {*READING, *LOADING} <= {*COMMANDS}
    assert [each.name for each in options_of("doctor")] == ["log_level"]


def test_an_option_holds_for_the_environment_of_its_command_and_ends_with_it(monkeypatch):
    monkeypatch.delenv(MAX_MEMORY, raising=False)
    monkeypatch.setenv(REQUIRE_SIGNATURE, "before")
    variables = {"max_memory": MAX_MEMORY, "require_signature": REQUIRE_SIGNATURE}
    for option in options_of("evaluate"):
        value = {"max_memory": "3G", "require_signature": KEY}.get(option.name, option.default)
        with option.applied(value):
            if option.name in variables:
                assert os.environ[variables[option.name]] == value
    assert MAX_MEMORY not in os.environ
    assert os.environ[REQUIRE_SIGNATURE] == "before"


def test_a_recording_that_would_need_more_is_refused_with_the_option_that_raises_the_limit(capsys):
    code, said = fails(capsys, "convert", "m1-sim:86000", "--out", "unwritten.npz", "--max-memory", "20M")
    assert code == 2
    assert "m1-sim:86000: reading it takes about" in said
    assert "expected at most 20 MiB" in said
    assert "--max-memory 2G" in said
    assert "Traceback" not in said


def test_a_limit_that_is_no_size_is_refused(capsys):
    code, said = fails(capsys, "inspect", "m1-sim:10", "--max-memory", "lots")
    assert code == 2
    assert "--max-memory: expected a size such as 8G or 500M, found 'lots'" in said


def test_inspect_says_what_reading_takes(capsys):
    assert printed_by(capsys, "inspect", "m1-sim:10")["memory_bytes"] > 500 * 96
