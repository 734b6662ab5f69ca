"""`spikeloop export`: turn a training checkpoint into a bundle, or give a bundle other names."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from spikeloop.exporters.addresses import is_address
from spikeloop.exporters.bundle import Bundle, bundles, load_bundle
from spikeloop.exporters.card import CARD
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_torch
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.reading_options import renames

__all__ = ["export"]


def export(
    checkpoint: Positional[str],
    *,
    out: Path,
    name: str | None = None,
    rename: Annotated[tuple[str, ...], option("OLD=NEW ...", default="")] = (),
    json: bool = False,
) -> int:
    """Export a trained model to a bundle that streams.

    The bundle's ONNX graphs are compared with the trained model before the bundle is written. With --rename or --name,
    a bundle can be given in place of the model: its card changes, its graphs and its spikes do not.

    Parameters
    ----------
    checkpoint : str
        folder that `spikeloop train --out` wrote; or name, path or address of a bundle that is to have other names
    out : path
        bundle to write, a folder or a .zip file
    name : str, optional
        name of the bundle; by default that of --out
    rename : tuple of str
        new names of conditions, and units: "vx=velocity x [cm/s]"; values stay as they are
    json : bool
        print one JSON document
    """
    pairs = renames(rename)
    check_writable(out, folder=out.suffix != ".zip")
    if _is_bundle(checkpoint):
        bundle = _renamed(checkpoint, out, name, pairs)
    else:
        require_torch()
        from spikeloop.exporters.export import export_bundle

        with SideConsole().status("exporting, and checking against torch"):
            bundle = export_bundle(Path(checkpoint), out, name, pairs)
    if json:
        print_json({"bundle": str(out), "name": bundle.card.name, "sha256": bundle.sha256})
    else:
        print(f"{out}: {bundle.card.name}, SHA-256 {bundle.sha256[:12]}...; try: spikeloop stream {out}")
    return 0


def _is_bundle(given: str) -> bool:
    path = Path(given)
    return (
        is_address(given)
        or path.suffix == ".zip"
        or (path / CARD).is_file()
        or (given in bundles() and not path.exists())
    )


def _renamed(path: str, out: Path, name: str | None, pairs: dict[str, str]) -> Bundle:
    from spikeloop.exporters.renamed_bundles import rename_bundle

    bundle = load_bundle(path)
    if name is None and not pairs:
        raise BadInputError(f"expected the folder of a checkpoint, found the bundle {path}; give --rename or --name")
    return rename_bundle(bundle, out, name, pairs)
