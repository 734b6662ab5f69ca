"""`spikeloop push`: publish a bundle on the Hugging Face hub."""

from typing import Annotated

from tyro.conf import Positional

from spikeloop.exporters.remote.push import push as push_bundle
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import SideConsole, print_json

__all__ = ["push"]


def push(
    bundle: Positional[str],
    address: Positional[str],
    *,
    licence: Annotated[str, option("ID", default="")] = "",
    public: bool = False,
    json: bool = False,
) -> int:
    """Publish a bundle on the Hugging Face hub, with a model card.

    README.md of the repository is written from the bundle's card and replaces an earlier one. A repository or branch
    that is not there is made. Log in with `hf auth login` first, or set HF_TOKEN.

    Parameters
    ----------
    bundle : str
        bundle to publish: a name, a folder or a .zip file
    address : str
        hf:OWNER/NAME, or hf:OWNER/NAME@BRANCH
    licence : str
        licence of the model, by the hub's identifiers, such as apache-2.0 or cc-by-4.0; none is stated without it
    public : bool
        make a new repository public; without it, only its owner sees it
    json : bool
        print one JSON document
    """
    with SideConsole().status(f"publishing {bundle}"):
        commit = push_bundle(bundle, address, licence, public)
    print_json({"address": address, "commit": commit}) if json else print(f"{commit}\ntry: spikeloop pull {address}")
    return 0
