"""Damage to files and folders: cut off, with flipped bits, absurd sizes, or what is packed in them damaged."""

import gzip
import io
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

__all__ = ["damage_bytes", "damaged_copy"]

ABSURD = (
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\0" * 4,
    b"\0\xca\x9a\x3b",
    b"\xff" * 8,
    b"\xff" * 7 + b"\x7f",
    b"\0\0\0\0\0\0\1\0",
    b"\0\0\0\0\0\1\0\0",
)
MATLAB, COMPRESSED = b"MATLAB 5.0", 15


def damaged_copy(source: Path, target: Path, random: np.random.Generator) -> None:
    """Write a damaged copy of a file; or a copy of a folder, in which one file is damaged or lost."""
    if source.is_file():
        target.write_bytes(damage_bytes(source.read_bytes(), random))
        return
    shutil.copytree(source, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    chosen = files[int(random.integers(0, len(files)))]
    if random.random() < 0.1:
        chosen.unlink()
    elif chosen.stat().st_size:
        chosen.write_bytes(damage_bytes(chosen.read_bytes(), random))


def damage_bytes(whole: bytes, random: np.random.Generator) -> bytes:
    """Damage a file, or half of the time, where it is an archive, what is packed in it, with a sum that fits."""
    within = random.random() < 0.5
    if within and whole.startswith(b"\x1f\x8b"):
        return gzip.compress(_damage(gzip.decompress(whole), random))
    if within and whole.startswith(b"PK\3\4"):
        return _damage_archive(whole, random)
    if within and whole.startswith(MATLAB) and whole[128] == COMPRESSED:
        return _damage_matlab(whole, random)
    return _damage(whole, random)


def _damage_archive(whole: bytes, random: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = list(members)[int(random.integers(0, len(members)))]
    members[chosen] = _damage(members[chosen], random)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _damage_matlab(whole: bytes, random: np.random.Generator) -> bytes:
    """Damage one of the compressed variables of a MATLAB file."""
    variables, at = [], 128
    while at < len(whole):
        size = struct.unpack_from("<II", whole, at)[1]
        variables.append(zlib.decompress(whole[at + 8 : at + 8 + size]))
        at += 8 + size
    chosen = int(random.integers(0, len(variables)))
    variables[chosen] = _damage(variables[chosen], random)
    packed = [zlib.compress(variable) for variable in variables]
    return whole[:128] + b"".join(struct.pack("<II", COMPRESSED, len(part)) + part for part in packed)


def _damage(whole: bytes, random: np.random.Generator) -> bytes:
    """Cut bytes off, flip bits, write absurd sizes, or lose, double or blank a stretch."""
    data = bytearray(whole)
    kind = random.choice(["cut", "flip", "byte", "size", "size", "sizes", "text", "lose", "double", "blank"])
    # most of what can go wrong is in the headers, which are often at the beginning or at the end
    reach = int(random.choice([len(data), min(len(data), 600), min(len(data), 4000)]))
    at = int(random.integers(0, reach)) if random.random() < 0.8 else len(data) - 1 - int(random.integers(0, reach))
    span = int(random.integers(1, 200))
    if kind == "cut":
        return bytes(data[: int(random.integers(0, len(data)))])
    if kind == "flip":
        for place in (at, *random.integers(0, len(data), random.integers(0, 4)).tolist()):
            data[place] ^= 1 << int(random.integers(0, 8))
    elif kind == "byte":
        data[at] = int(random.integers(0, 256))
    elif kind == "size":
        _write_absurd(data, at - (at % 4 if random.random() < 0.7 else 0), random)
    elif kind == "sizes":
        for place in random.integers(0, len(data), int(random.choice([5, 30, 200]))).tolist():
            _write_absurd(data, place - place % 8, random)
    elif kind == "text":
        digits = [place for place, letter in enumerate(data[:100_000]) if 48 <= letter < 58] or [at]
        place = int(random.choice(digits))
        data[place : place + 1] = random.choice([b"999999999", b"-1", b"1e300", b"nan", b"\xff", b"9"])
    elif kind == "lose":
        del data[at : at + span]
    elif kind == "double":
        data[at:at] = data[at : at + span]
    else:
        data[at : at + span] = b"\0" * len(data[at : at + span])
    return bytes(data)


def _write_absurd(data: bytearray, at: int, random: np.random.Generator) -> None:
    absurd = ABSURD[int(random.integers(0, len(ABSURD)))]
    data[at : at + len(absurd)] = absurd[: len(data) - at]
