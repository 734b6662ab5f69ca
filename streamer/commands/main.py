"""The entry point: `spikeloop COMMAND`. Each command's module is small to import and loads the rest when called."""

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

from spikeloop.models.interrupts import hold_interrupts

__all__ = ["main"]

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 failed while running, 2 bad input, 130 interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill closes everything, as Ctrl-C does
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(arguments: Sequence[str] | None) -> int:
    with hold_interrupts():
        import tyro
        from tyro.extras import SubcommandApp

        from spikeloop.models.errors import SpikeloopError
        from spikeloop.streamer.commands.closedloop import closedloop
        from spikeloop.streamer.commands.decode import decode
        from spikeloop.streamer.commands.device import device
        from spikeloop.streamer.commands.doctor import doctor
        from spikeloop.streamer.commands.evaluate import evaluate
        from spikeloop.streamer.commands.export import export
        from spikeloop.streamer.commands.generate import generate
        from spikeloop.streamer.commands.importance import importance
        from spikeloop.streamer.commands.models import models
        from spikeloop.streamer.commands.monitor import monitor
        from spikeloop.streamer.commands.stream import stream
        from spikeloop.streamer.commands.train import train

    if (sys.argv[1:] if arguments is None else list(arguments)) == ["--version"]:
        print(version("spikeloop"))
        return 0
    app = SubcommandApp()
    for command in (
        stream, monitor, models, train, export, generate, evaluate, importance, decode, closedloop, device, doctor,
    ):  # fmt: skip
        app.command(command)
    try:
        return app.cli(
            prog="spikeloop",
            description="Stream realistic population spikes, learned from recordings, over Lab Streaming Layer.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except SpikeloopError as error:
        print(f"spikeloop: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # e.g. `spikeloop models | head -1`
        sys.stderr.close()
        return 0
    except OSError as error:  # whatever is not of a command's own files
        print(f"spikeloop: the output could not be written ({error})", file=sys.stderr)
        return 1
