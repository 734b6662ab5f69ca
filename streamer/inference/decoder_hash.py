"""The hash of the file that a decoder's text names."""

from hashlib import sha256
from pathlib import Path

__all__ = ["decoder_sha256"]


def decoder_sha256(decoder: str) -> str:
    """Return the hash of the file that a decoder's text names, as FILE, FILE?OPTIONS or FILE.py:NAME; else nothing."""
    named = decoder.partition("?")[0]
    _, _, argument = named.partition(":")
    for text in (named, argument, f"{argument.partition('.py:')[0]}.py"):
        if text and Path(text).is_file():
            return sha256(Path(text).read_bytes()).hexdigest()
    return ""
