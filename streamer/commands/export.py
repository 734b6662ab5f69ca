"""`spikeloop export`: turn a training checkpoint into a bundle."""

from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from spikeloop.streamer.commands.options import require_torch
from spikeloop.streamer.commands.output import print_json

__all__ = ["export"]


def export(checkpoint: Positional[Path], *, out: Path, name: str | None = None, json: bool = False) -> int:
    """Export a checkpoint to a bundle that streams: ONNX, checked against torch, with its card.

    Parameters
    ----------
    checkpoint
        the folder that `spikeloop train --out` wrote
    out
        the bundle, a folder or a file ending in .zip
    name
        the bundle's name; by default that of `out`
    json
        print one JSON document
    """
    require_torch()
    from spikeloop.exporters.onnx import export_bundle

    with Console(stderr=True).status("exporting, and checking against torch"):
        bundle = export_bundle(checkpoint, out, name)
    if json:
        print_json({"bundle": str(out), "name": bundle.card.name, "sha256": bundle.sha256})
    else:
        print(f"{out}: {bundle.card.name}, SHA-256 {bundle.sha256[:12]}...; try: spikeloop stream {out}")
    return 0
