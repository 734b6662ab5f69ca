"""`spikeloop verify`: whether a file holds, bit by bit, what its header says."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.documents import print_line, printable
from spikeloop.streamer.capture.verify.verification import Verification
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.inference.runtime import Device

__all__ = ["verify"]


def verify(
    file: Positional[Path],
    *,
    bundle: str | None = None,
    device: Device = "auto",
    json: bool = False,
) -> int:
    """Check, bit by bit, that a file holds what its header says.

    The spikes are made again from the bundle, the seed and the conditions that the file names, and compared with those
    in it: which bins agree, where the first difference is, and what was lost on the way. Where something live drove
    the stream, as in a closed loop, the conditions are those that were recorded; stimuli, gain, pauses and
    perturbations are those of its markers.

    The file is one that `generate` or `closedloop --save` wrote, or a recording of spikeloop's streams, such as an
    XDF file of LabRecorder. Exits with 0 only where all agrees, and else with 1.

    Parameters
    ----------
    file : path
        file to check
    bundle : str, optional
        path of the bundle's folder or .zip, where it is none of those that ship
    device : str
        processor that runs the generator
    json : bool
        print what was found as one JSON document
    """
    from spikeloop.streamer.capture.verify.verify import verify as verified

    with Progress(console=SideConsole(), transient=True) as progress:
        task = progress.add_task("making again", total=None)
        result = verified(file, bundle, device, lambda done, of: progress.update(task, completed=done, total=of))
    if json:
        print_json(result.to_dict())
    else:
        _print(result)
    return 0 if result.agrees else 1


def _print(result: Verification) -> None:
    console = Console()
    for stream in result.streams:
        print_line(console, f"{printable(stream.name)}: {stream.verdict}")
        for what, said in stream.rows().items():
            print_line(console, f"  {what}: {printable(said)}")
        for problem in stream.problems:
            print_line(console, f"  ! {printable(problem)}")
