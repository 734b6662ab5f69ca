"""The far end of an LSL stream: what a consumer in another process received, and whether a stream is gone."""

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pylsl

from tests.support.places import SUPPORT

CONSUMER = SUPPORT / "lsl_consumer.py"
CONNECTING_S = 1.5  # between when a stream can be found and its first bin; on a busy machine 0.3 are enough


def received(process: subprocess.Popen[str], out: Path) -> dict[str, np.ndarray]:
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    with np.load(out) as archive:
        return {key: archive[key] for key in archive.files}


def report(process: subprocess.Popen[str]) -> dict:
    printed, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    return json.loads(printed)


def own_node(description: np.ndarray) -> dict[str, str]:
    node = ElementTree.fromstring(str(description)).find("desc/spikeloop")
    assert node is not None
    return {child.tag: child.text or "" for child in node}


def bin_numbers(got: dict[str, np.ndarray], bin_size_s: float) -> np.ndarray:
    """The number of each sample's bin, from its stamp and the start that the stream's description tells."""
    start_s = float(own_node(got["description"])["start_s"])
    exact = (got["stamps"] - start_s) / bin_size_s - 1
    assert np.abs(exact - exact.round()).max() * bin_size_s < 1e-6  # regular to a microsecond
    return exact.round().astype(int)


def gone(name: str) -> bool:
    """Whether a stream can no longer be found."""
    return not pylsl.resolve_byprop("name", name, timeout=0.3)
