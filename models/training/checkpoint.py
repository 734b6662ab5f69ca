"""Checkpoints of training runs: tensors as safetensors, a description as JSON in the same file, one writer."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["CHECKPOINT", "read_checkpoint", "sole_writer", "write_checkpoint"]

CHECKPOINT = "checkpoint.safetensors"
LOCK = ".lock"
FORMAT_VERSION = 1
RENAMED = {  # parts of a model, as checkpoints of version 0.1 name them
    "read": "input_projection",
    "choose": "mode_logits",
    "say": "factor_head",
    "say_directly": "direct_factors",
    "emit": "emission_head",
    "look": "recurrence",
    "infer": "posterior_head",
    "course": "time_course",
    "crowds": "population_histogram",
    "crowd": "histogram_step",
}
NOT_RENAMED = ("reference.", "parameters.", "optimizer.")  # beginnings of names that are of no part of a model
ENTRIES = ("recording", "settings", "steps", "trained_s", "realism")


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees when its holder ends.

    Raises
    ------
    BadInputError
        If another process holds it.
    FailureError
        If the disk refuses.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BadInputError(
            f"another training writes to {folder}; wait for its end, or choose another --out"
        ) from error
    except OSError as error:
        raise FailureError(f"could not write to {folder} ({error}); choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def write_checkpoint(folder: Path, tensors: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; the previous one stays until it is replaced.

    Parameters
    ----------
    folder : pathlib.Path
    tensors : mapping of str to array
    description : mapping
        What JSON holds.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    plain = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    scratch = folder / f"{CHECKPOINT}.part"
    try:
        with hold_interrupts():
            folder.mkdir(parents=True, exist_ok=True)
            save_file(plain, scratch, {"spikeloop": json.dumps({"format_version": FORMAT_VERSION} | dict(description))})
            os.replace(scratch, folder / CHECKPOINT)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise FailureError(
            f"could not write a checkpoint to {folder} ({error}); free some space or choose another --out,"
            " then run the same command again"
        ) from error


def read_checkpoint(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint, also one of an earlier version, whose tensors had other names.

    Parameters
    ----------
    folder : pathlib.Path
        That training wrote, or the file in it.

    Returns
    -------
    tensors : dict of str to array
    description : dict
        With the entries recording, settings, steps, trained_s and realism.

    Raises
    ------
    BadInputError
        If there is none, or it is damaged.
    """
    path = folder / CHECKPOINT if folder.is_dir() else folder
    if not path.is_file():
        raise BadInputError(f"no checkpoint at {path}; expected a folder that `spikeloop train --out` wrote")
    try:
        with safe_open(path, "np") as opened:
            description = json.loads(opened.metadata()["spikeloop"])
            if description["format_version"] != FORMAT_VERSION or not all(entry in description for entry in ENTRIES):
                raise ValueError(f"of format {description['format_version']}, expected {FORMAT_VERSION}")
            return {_current_name(key): opened.get_tensor(key) for key in opened.keys()}, description  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{path}: not a readable checkpoint ({error}); remove it to train anew") from error


def _current_name(name: str) -> str:
    if name.startswith(NOT_RENAMED):
        return name
    return ".".join(RENAMED.get(part, part) for part in name.split("."))
