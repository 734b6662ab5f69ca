"""The entry point, `spikeloop COMMAND`: help, options that all commands share, exit codes.

Only the module of the called command is imported; `spikeloop --help` imports none of them.
"""

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from spikeloop.models.errors import INTERRUPTED
from spikeloop.models.interrupts import exit_when_interrupted, interrupt_at_any_end
from spikeloop.streamer.commands.acknowledgement import acknowledged
from spikeloop.streamer.commands.registry import COMMANDS

__all__ = ["main"]

BAD_INPUT = 2

TOP_HELP = """\
usage: spikeloop COMMAND [OPTIONS]

Stream realistic population spikes, learned from recordings, over Lab Streaming Layer.

commands:
{commands}

options:
  --log-level {{debug,info,warning,error}}
                 the least severe messages to print on stderr (default: warning)
  --version      print the version
  -h, --help     print this help

`spikeloop COMMAND --help` explains the options of a command.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit.

    The exit code is 0 for done, 1 for a failure while running, 2 for bad input and 130 for an interruption.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `spikeloop`; by default those of the process.
    """
    try:
        interrupt_at_any_end()  # a polite kill, or a closed terminal, closes everything, as Ctrl-C does
        with acknowledged():
            sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(arguments: list[str]) -> int:
    name = next((word for word in arguments if word in COMMANDS), None)
    if arguments == ["--version"]:
        return _printing(lambda: print(version("spikeloop")))
    if not arguments or (name is None and arguments[0] in ("-h", "--help")):
        return _printing(lambda: print(_top_help(), end=""))
    if name is None or not _only_log_level(before := arguments[: arguments.index(name)]):
        return _unknown(arguments)
    return _call(name, before + arguments[arguments.index(name) + 1 :])


def _call(name: str, arguments: list[str]) -> int:
    """Import one command, parse its options and call it; its errors become a line and an exit code."""
    with exit_when_interrupted(INTERRUPTED):
        import tyro

        from spikeloop.models.errors import SpikeloopError
        from spikeloop.streamer.commands.command_help import as_shown, check_numbers, description_of, gathered
        from spikeloop.streamer.commands.first_process import first_prints
        from spikeloop.streamer.commands.shared_options import options_of

        function = name.replace("-", "_")
        module = importlib.import_module(f"spikeloop.streamer.commands.{function}")
        shown = as_shown(command := getattr(module, function), options_of(name))

    def run() -> int:
        with first_prints():
            check_numbers(command, arguments)
            return tyro.cli(
                shown,
                prog=f"spikeloop {name}",
                description=description_of(command),
                args=gathered(command, arguments),
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs),
            )

    try:
        return _printing(run)
    except SpikeloopError as error:
        hint = f"\n`spikeloop {name} --help` explains the options" if str(error).startswith("--") else ""
        from spikeloop.exporters.documents import printable

        lines = map(printable, f"spikeloop: {error}{hint}".splitlines())  # names from a file may be anything
        print("\n".join(lines), file=sys.stderr)
        return error.exit_code


def _printing(work: Callable[[], Any]) -> int:
    """Do what prints on stdout; a reader that is gone is no failure, a full disk is one."""
    try:
        return work() or 0
    except BrokenPipeError:  # e.g. `spikeloop models | head -1`
        sys.stderr.close()
        return 0
    except OSError as error:  # whatever is not of a command's own files
        with suppress(OSError):  # of a terminal that was closed
            print(f"spikeloop: the output could not be written ({error})", file=sys.stderr)
        return 1


def _top_help() -> str:
    return TOP_HELP.format(commands="\n".join(f"  {name:<15}{summary}" for name, summary in COMMANDS.items()))


def _only_log_level(words: Sequence[str]) -> bool:
    """Whether nothing but --log-level stands before the command."""
    return (
        not words
        or (words[0] == "--log-level" and len(words) == 2)
        or (len(words) == 1 and words[0].startswith("--log-level="))
    )


def _unknown(arguments: Sequence[str]) -> int:
    """Report that there is no such command, or that an option stands before it."""
    word = arguments[0]
    alike = difflib.get_close_matches(word, COMMANDS, n=1)
    meant = f"; did you mean {alike[0]}?" if alike else ""
    print(f"spikeloop: expected a command, found {word}{meant}\n`spikeloop --help` lists the commands", file=sys.stderr)
    return BAD_INPUT
