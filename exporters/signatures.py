"""Signatures of bundles, in minisign's format: Ed25519, in a file `.minisig` beside what is signed.

Of a bundle in one `.zip`, the whole file is signed; of one in a folder its card, which holds the SHA-256 of all others.
What is loaded afterwards are the very bytes that were verified.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle_files import check_size
from spikeloop.exporters.card import CARD
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_path, checked_text

__all__ = [
    "REQUIRE_SIGNATURE",
    "SUFFIX",
    "import_minisign",
    "key_number",
    "number_of_signer",
    "signed_file",
    "signer_of",
    "small_text",
    "trusted_keys",
    "verified",
]

REQUIRE_SIGNATURE = "SPIKELOOP_REQUIRE_SIGNATURE"  # the environment variable
OPTION = "--require-signature (require_signature)"
SUFFIX = ".minisig"
LARGEST = 2**16  # bytes of a file of keys, and of a signature


def signed_file(path: Path) -> Path:
    """Return the file of a bundle that is signed, beside which its signature lies."""
    return path / CARD if path.is_dir() else path


def verified(path: Path, require_signature: str | Path) -> bytes:
    """Read the file of a bundle that is signed, and verify it.

    Parameters
    ----------
    path : pathlib.Path
        Of a folder or a `.zip`.
    require_signature : str or pathlib.Path
        As of `trusted_keys`.

    Returns
    -------
    bytes
        What was verified: of a folder its card, of a `.zip` all of it.

    Raises
    ------
    BadInputError
        If there is no signature, none of the keys made it, or the bundle was changed since.
    FailureError
        If a package is missing.
    """
    keys, at = trusted_keys(require_signature), signed_file(path)
    if not at.is_file():
        raise BadInputError(f"{path}: no {CARD}; not a spikeloop bundle")
    beside = Path(f"{at}{SUFFIX}")
    if not beside.is_file():
        raise BadInputError(
            f"{path}: expected a signature, found no {beside.name} beside {at.name}; get it from who made the bundle"
        )
    check_size(path, at.name, at.stat().st_size)
    content, signature = at.read_bytes(), _signature(beside)
    signer = number_of_signer(signature)
    own = {key_number(key.to_base64()): key for key in keys}
    if signer not in own:
        raise BadInputError(
            f"{path}: expected a signature of the key {' or '.join(own)}, found one of {signer}; trust that key if it"
            " is of who made the bundle, or get another bundle"
        )
    if not _fits(own[signer], content, signature):
        raise BadInputError(
            f"{path}: the signature is not of these bytes: {at.name} or {beside.name} was changed since it was signed;"
            " get the bundle again"
        )
    return content


def trusted_keys(keys: str | Path) -> Sequence[Any]:
    """Read the public keys that are trusted.

    Parameters
    ----------
    keys : str or pathlib.Path
        A public key as text ("RW..."), or the path of a file of them, a line each, such as `minisign -G` and
        `spikeloop sign --new-key` write; lines that begin with "#" or "untrusted comment:" say something for people.

    Returns
    -------
    sequence of minisign.PublicKey
        At least one.

    Raises
    ------
    BadInputError
        If there is no such file, or something else in it.
    FailureError
        If a package is missing.
    """
    minisign = import_minisign()
    text = checked_text(OPTION, str(keys)).strip()
    try:
        return [minisign.PublicKey.from_base64(text)]
    except minisign.Error:
        pass  # no key but a path
    lines = small_text(checked_path(OPTION, keys), "a public key (RW...), or a file of public keys").splitlines()
    stated = [line for line in map(str.strip, lines) if line and not line.startswith(("#", "untrusted comment:"))]
    try:
        found = [minisign.PublicKey.from_base64(line) for line in stated]
    except minisign.Error as error:
        raise BadInputError(
            f"{OPTION}: expected public keys (RW...), a line each, in {keys}, found something else"
            f" ({in_one_line(error)}); is it a secret key, or damaged?"
        ) from error
    if not found:
        raise BadInputError(f"{OPTION}: expected public keys (RW...), a line each, in {keys}, found none")
    return found


def import_minisign() -> Any:
    """Import minisign; FailureError where it is not installed."""
    require_packages("minisign", extra="sign", what="signing, and verifying signatures")
    import minisign

    return minisign


def _signature(path: Path) -> Any:
    minisign = import_minisign()
    try:
        return minisign.Signature.from_bytes(small_text(path, "a signature").encode())
    except minisign.Error as error:
        raise BadInputError(
            f"{path}: expected a signature in minisign's format, found something else ({in_one_line(error)}); get it"
            " again"
        ) from error


def signer_of(path: Path) -> str:
    """Return the number of the key that made a signature; BadInputError where the file holds none."""
    return number_of_signer(_signature(path))


def number_of_signer(signature: Any) -> str:
    """Return the number of the key that made a signature."""
    return key_number(bytes(signature).splitlines()[1])


def _fits(key: Any, content: bytes, signature: Any) -> bool:
    try:
        key.verify(content, signature)
    except import_minisign().VerifyError:
        return False
    return True


def key_number(coded: bytes) -> str:
    """Return the number of a key as minisign prints it, from the line of a public key or of a signature."""
    return base64.b64decode(coded)[2:10][::-1].hex().upper()


def small_text(path: Path, what: str) -> str:
    """Read a file of keys or a signature; BadInputError where it can't be one."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise BadInputError(
                f"expected {what}, found {'no file' if not path.exists() else 'something else'}: {path}"
            )
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise BadInputError(f"expected {what}, found {path}, which can't be read ({error})") from error
