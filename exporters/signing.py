"""Keys to sign bundles with, and signing, in minisign's format."""

import os
import stat
import time
from pathlib import Path
from typing import Any

from spikeloop.exporters.addresses import is_address
from spikeloop.exporters.bundle import bundles, load_unsigned
from spikeloop.exporters.signatures import (
    SUFFIX,
    import_minisign,
    key_number,
    number_of_signer,
    signed_file,
    signer_of,
    small_text,
)
from spikeloop.models.errors import BadInputError, FailureError, in_one_line
from spikeloop.models.scalars import checked_path
from spikeloop.models.whole_file import whole_file

__all__ = ["PASSWORD", "new_signing_key", "sign_bundle"]

PASSWORD = "SPIKELOOP_KEY_PASSWORD"  # the environment variable; never an option, which others can see
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_signing_key(path: str | Path, password: str | None = None) -> Path:
    """Make a pair of keys: a secret one to sign with, and a public one for all who are to trust it.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the secret key, which only its owner can read; the public one is beside it, with the ending `.pub`.
    password : str, optional
        Encrypts the secret key.

    Returns
    -------
    pathlib.Path
        Of the public key.

    Raises
    ------
    BadInputError
        If there is a file already.
    FailureError
        If the disk refuses, or a package is missing.
    """
    pair, path = import_minisign().KeyPair.generate(), checked_path("--new-key", path)
    public = Path(f"{path}.pub")
    if password:
        pair.secret_key.encrypt(password)
    with pair.secret_key as secret:
        _write_new(path, bytes(secret) + b"\n", 0o600)
    coded = bytes(pair.public_key).splitlines()[1]
    comment = f"untrusted comment: minisign public key {key_number(coded)}\n"  # as `minisign -G` writes it
    _write_new(public, comment.encode() + coded + b"\n", 0o644)
    return public


def sign_bundle(path: str | Path, key: str | Path, password: str | None = None, time_s: float | None = None) -> Path:
    """Sign a bundle, so that others can tell that its owner made it, and that it is whole.

    Parameters
    ----------
    path : str or pathlib.Path
        Of a folder or a `.zip`.
    key : str or pathlib.Path
        Of a secret key, as `new_signing_key` and `minisign -G` write it.
    password : str, optional
        Of the key, where it has one.
    time_s : float, s, default now
        When it is signed, since 1970; stated in the signature.

    Returns
    -------
    pathlib.Path
        Of the signature: `FILE.zip.minisig` beside a file, `card.json.minisig` in a folder.

    Raises
    ------
    BadInputError
        If there is no such bundle, or it is damaged; another key has signed it; or the key can't be used: it is
        missing, something else, readable for others, or of another password.
    FailureError
        If the disk refuses, or a package is missing.
    """
    if str(path) in bundles():
        raise BadInputError(f"{path} comes with the package, and needs no signature; give the path of a folder or .zip")
    if is_address(path):
        raise BadInputError(f"{path}: expected a folder or .zip of your own to sign, found an address")
    load_unsigned(path)  # what can't be loaded is not signed
    at = signed_file(checked_path("bundle", path))
    name = at.name.encode("ascii", "replace").decode()
    comment = f"timestamp:{int(time.time() if time_s is None else time_s)}\tfile:{name:.100}\thashed"
    with _secret_key(checked_path("--key", key), password) as secret:
        signature = secret.sign(at.read_bytes(), trusted_comment=comment)
    out = Path(f"{at}{SUFFIX}")
    _check_own(out, number_of_signer(signature))
    with whole_file(out) as whole:
        whole.write(bytes(signature) + b"\n")
    return out


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise BadInputError(f"{path} exists; keys are never replaced, choose another name") from error
    except OSError as error:
        raise FailureError(f"could not write {path} ({error}); choose another place") from error


def _check_own(path: Path, signer: str) -> None:
    """Make sure that a signature which is there already is of the same key."""
    if path.exists() and (found := signer_of(path)) != signer:
        raise BadInputError(
            f"{path}: expected no signature, or one of the key {signer}, found one of {found}; move it away first if"
            " another key is to sign the bundle"
        )


def _secret_key(path: Path, password: str | None) -> Any:
    minisign = import_minisign()
    text = small_text(path, "the file of a secret key")
    if "minisign public key" in text.partition("\n")[0]:
        raise BadInputError(
            f"{path}: expected a secret key to sign with, found a public one; give the file without .pub"
        )
    if os.name == "posix" and (mode := path.stat().st_mode) & OTHERS:
        raise BadInputError(
            f"{path}: expected a secret key that only its owner can read, found one with mode {stat.S_IMODE(mode):o};"
            f" if nobody else has read it: chmod 600 {path}"
        )
    try:
        secret = minisign.SecretKey.from_bytes(text.encode())
        if secret.is_encrypted() and not password:
            raise BadInputError(f"{path}: expected a password for this key, found none; set {PASSWORD}")
        secret.decrypt(password or "")
        return secret
    except (minisign.Error, ValueError, MemoryError) as error:
        raise BadInputError(
            f"{path}: expected a secret key of minisign, and its password, found something else"
            f" ({in_one_line(error)}); `spikeloop sign --new-key FILE` makes one"
        ) from error
