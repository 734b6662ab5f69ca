"""The command line as a whole: its help, its list of commands, its errors."""

import importlib
import inspect
import json
import logging
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from spikeloop.__main__ import main
from spikeloop.streamer.commands.registry import COMMANDS
from tests.support.places import REPOSITORY

DEVICES = ("device stimulator", "device arm", "device probe")
HELPED = (*(name for name in COMMANDS if name != "device"), *DEVICES)
CHOICES = re.compile(r"\{\w+(,\w+)*\}")
METAVAR = re.compile(r"[A-Z_=]+( \.\.\.)?")
TITLE = re.compile(r"╭─| -{20}")
RULE = re.compile(r"(│|  ) ?[─-]{20}")


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code of a command, and what it printed on stdout and on stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    printed = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, printed.out, printed.err


def options(shown: str) -> dict[str, tuple[str, str]]:
    """Of each option and positional in a help: its unit, kind or choices, and its description."""
    entries: list[str] = []
    first = 0
    for framed in shown.splitlines():  # a box where the output has one, else blanks
        if TITLE.match(framed):
            first = len(entries)
        if RULE.match(framed):  # what stood above it was about the group
            del entries[first:]
        line = framed.replace("│", " ")
        if re.match(r"  [^ (•─-]|  --?[a-z]", line):
            entries.append(line.strip())
        elif entries:
            entries[-1] += f"\n{line.strip()}"
    return dict(_option(entry) for entry in entries)


def _option(entry: str) -> tuple[str, tuple[str, str]]:
    head, description = re.split(r"\s*\n\s*|\s{2,}", entry, maxsplit=1)
    name, _, value = head.removeprefix("-h, ").partition(" ")
    return name, (value, " ".join(description.split()))


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", HELPED)
def test_every_option_has_a_description_and_a_unit_or_choices(command, capsys):
    code, shown, _ = outcome(capsys, *command.split(), "--help")
    assert code == 0
    found = options(shown)
    assert {"--help", "--json", "--log-level"} <= set(found)
    for name, (value, description) in found.items():
        assert len(description) >= 15, (name, description)
        if name.startswith("--"):  # a flag has neither unit nor choices
            assert not value or CHOICES.fullmatch(value) or METAVAR.fullmatch(value), (name, value)


@pytest.mark.parametrize("command", HELPED)
def test_help_shows_no_value_of_python(command, capsys):
    _, shown, _ = outcome(capsys, *command.split(), "--help")
    for word in ("None", "False", "True", "FLOAT", "INT", "STR ", "(default: )"):
        assert word not in shown


@pytest.mark.parametrize("command", HELPED)
def test_a_description_can_be_read_without_the_name_of_its_option(command, capsys):
    _, shown, _ = outcome(capsys, *command.split(), "--help")
    for name, (_, description) in options(shown).items():
        assert not re.match(r"(of|by|for|that|an hour|seconds)\b", description), (name, description)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_docstrings_say(name):
    function = name.replace("-", "_")
    command = getattr(importlib.import_module(f"spikeloop.streamer.commands.{function}"), function)
    assert (inspect.getdoc(command) or "").splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_the_top_help_has_one_line_for_each_command(arguments, capsys):
    code, shown, _ = outcome(capsys, *arguments)
    assert code == 0
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", shown, re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= 88


def test_every_module_with_a_command_is_in_the_list():
    modules = {path.stem for path in (REPOSITORY / "streamer" / "commands").glob("*.py")}
    shared = {
        "__init__",
        "as_typed",
        "closedloop_days",
        "live_line",
        "main",
        "registry",
        "command_help",
        "first_process",
        "acknowledgement",
        "shared_options",
        "output",
        "reading_options",
        "status",
        "suitability",
        "voltage_options",
    }
    assert modules - shared == {name.replace("-", "_") for name in COMMANDS}


def test_the_top_help_imports_no_command():
    program = (
        "import sys\nfrom spikeloop.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: print(*(name for name in sys.modules if '.commands.' in name), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name.rpartition(".")[2] for name in done.stderr.split()} == {"main", "registry", "acknowledgement"}


@pytest.mark.parametrize("command", HELPED)
def test_a_wrong_option_leads_to_the_command_s_help(command, capsys):
    code, printed, errors = outcome(capsys, *command.split(), "--no-such-option")
    assert (code, printed) == (2, "")
    assert f"spikeloop {command} --help" in " ".join(errors.replace("│", "").split())


def test_a_wrong_value_leads_to_the_command_s_help(capsys):
    code, printed, errors = outcome(capsys, "stream", "--seed", "-1")
    assert (code, printed) == (2, "")
    assert errors.startswith("spikeloop: --seed: expected a whole number")
    assert errors.endswith("\n`spikeloop stream --help` explains the options\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("stream --duration abc", "--duration: expected a number, found 'abc'"),
        ("stream --duration=", "--duration: expected a number, found ''"),
        ("closedloop --trials 1.5", "--trials: expected a whole number, found '1.5'"),
        ("decode m1-sim:10 --bin-ms wide", "--bin-ms: expected a number, found 'wide'"),
    ],
)
def test_what_is_no_number_is_refused_in_plain_words(words, said, capsys):
    code, printed, errors = outcome(capsys, *words.split())
    assert (code, printed) == (2, "")
    assert errors.startswith(f"spikeloop: {said}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_introduction_of_a_help_is_no_wider_than_its_boxes(command, capsys):
    _, shown, _ = outcome(capsys, command, "--help")
    introduction = shown.partition("╭")[0].partition("\n")[2]
    assert max(map(len, introduction.splitlines())) <= 80


def test_a_misspelt_command_is_corrected(capsys):
    code, printed, errors = outcome(capsys, "steam")
    assert (code, printed) == (2, "")
    assert (
        errors
        == "spikeloop: expected a command, found steam; did you mean stream?\n`spikeloop --help` lists the commands\n"
    )


def test_an_option_of_a_command_does_not_stand_before_it(capsys):
    code, _, errors = outcome(capsys, "--seed", "1", "stream")
    assert code == 2
    assert "expected a command, found --seed" in errors


@pytest.mark.parametrize(
    "arguments",
    [("--log-level", "debug", "models"), ("--log-level=debug", "models"), ("models", "--log-level", "debug")],
)
def test_the_level_of_messages_is_set_before_or_after_the_command(arguments, capsys):
    logger = logging.getLogger("spikeloop")
    before = logger.level
    try:
        code, printed, _ = outcome(capsys, *arguments, "--json")
        assert code == 0
        assert json.loads(printed)
        assert logger.getEffectiveLevel() == logging.DEBUG
    finally:
        logger.setLevel(before)


def test_an_error_moves_no_cursor_whatever_a_file_is_called(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["inspect", str(tmp_path / "\x1b[2J\udc80.npz")])
    said = capsys.readouterr().err
    assert "?[2J?.npz" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_the_level_of_messages_is_one_of_four(capsys):
    code, _, errors = outcome(capsys, "models", "--log-level", "loud")
    assert code == 2
    assert "spikeloop models --help" in errors


def test_the_version_is_printed(capsys):
    assert outcome(capsys, "--version") == (0, version("spikeloop") + "\n", "")


def test_a_command_called_from_python_is_the_function_itself():
    """The help describes a wrapper; the module's own function keeps its signature."""
    from spikeloop.streamer.commands.models import models

    assert "log_level" not in inspect.signature(models).parameters
