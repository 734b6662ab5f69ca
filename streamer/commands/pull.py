"""`spikeloop pull`: a bundle from the network into the cache."""

from typing import Annotated

from tyro.conf import Positional

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.remote.pull import pull as pull_bundle
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.live_line import LiveLine
from spikeloop.streamer.commands.output import SideConsole, print_json

__all__ = ["pull"]

MIB = 2**20


def pull(
    address: Positional[str], *, sha256: Annotated[str | None, option("HASH", default="")] = None, json: bool = False
) -> int:
    """Pull a bundle from the network into the cache.

    Afterwards its address names it in every command, without the network. What is pulled is checked as every bundle is,
    before it enters the cache, which is the folder of SPIKELOOP_CACHE, or else spikeloop in the system's folder of
    caches (XDG_CACHE_HOME).

    Parameters
    ----------
    address : str
        hf:OWNER/NAME or hf:OWNER/NAME@REVISION of the Hugging Face hub, or the https: address of a .zip file
    sha256 : str, optional
        SHA-256 that must come: of a .zip file its own, which is needed; of a repository that of the bundle
    json : bool
        print one JSON document
    """
    now = [0, 0]

    def progress(transferred: int, total: int) -> None:
        now[:] = transferred, total

    def line() -> str:
        of_all = f" of {now[1] / MIB:.1f}" if now[1] else ""
        return f"pulling {address}: {now[0] / MIB:.1f}{of_all} MiB" if now[0] else f"pulling {address}"

    with LiveLine(SideConsole(), line):
        path = pull_bundle(address, sha256, progress=progress)
    bundle = load_bundle(path)
    if json:
        print_json({"address": address, "bundle": str(path), "name": bundle.card.name, "sha256": bundle.sha256})
    else:
        print(f"{bundle.card.name}, SHA-256 {bundle.sha256[:12]}..., in {path}")
        print(f"try: spikeloop stream {address}")
    return 0
