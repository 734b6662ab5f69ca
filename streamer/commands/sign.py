"""`spikeloop sign`: sign a bundle, or make the keys for it."""

import os
import sys
from getpass import getpass
from pathlib import Path

from tyro.conf import Positional

from spikeloop.exporters.signing import PASSWORD, new_signing_key, sign_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.output import print_json

__all__ = ["sign"]


def sign(
    bundle: Positional[str | None] = None, *, key: Path | None = None, new_key: Path | None = None, json: bool = False
) -> int:
    """Sign a bundle, or make the keys for it.

    A signature says who made a bundle, and that it is whole. It has minisign's format: FILE.zip.minisig beside a bundle
    in one file, card.json.minisig in a folder. Others check it with --require-signature of any command that loads
    bundles, or with `minisign -V`. The password of a key comes from the environment variable SPIKELOOP_KEY_PASSWORD, or
    is asked for in a terminal.

    Parameters
    ----------
    bundle : str, optional
        bundle to sign, a folder or a .zip file
    key : path, optional
        secret key to sign with, as --new-key or `minisign -G` made it
    new_key : path, optional
        secret key to make, of a new pair; the public one, to be handed out, is beside it with the ending .pub
    json : bool
        print one JSON document
    """
    if new_key is not None and bundle is None and key is None:
        public = new_signing_key(new_key, _password("password of the new key (none: press Enter): "))
        said = {"key": str(new_key), "public_key": str(public)}
        words = f"{new_key}: keep it secret\n{public}: give it to all who are to trust your bundles"
    elif bundle is not None and key is not None and new_key is None:
        signature = sign_bundle(bundle, key, _password("password of the key, if it has one: "))
        said, words = {"bundle": bundle, "signature": str(signature)}, f"{signature}: give it away with the bundle"
    else:
        raise BadInputError("expected a bundle with --key FILE, or --new-key FILE alone; see spikeloop sign --help")
    print_json(said) if json else print(words)
    return 0


def _password(prompt: str) -> str:
    """Return the password of the environment, or that which is typed, where somebody can."""
    given = os.environ.get(PASSWORD)
    return given if given is not None else getpass(prompt) if sys.stdin.isatty() else ""
