"""What tests share: the real recording where it is at hand, and small bundles with random weights."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.recordings.catalogue import CATALOGUE, find_recording
from spikeloop.models.recordings.recording import Recording
from tests.tiny import tiny_bundle

REPOSITORY = Path(__file__).parents[1]
PURE = ("models", "exporters")  # folders of tests that only compute


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers: what lives in real time goes one by one, and what only computes beside it."""
    for item in items:
        if item.path.relative_to(REPOSITORY / "tests").parts[0] not in PURE:
            item.add_marker(pytest.mark.xdist_group("real time"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real recordings; tests that need it skip where it is absent, but never in CI."""
    folder = Path(os.environ.get("SPIKELOOP_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / CATALOGUE["retina"].local).is_file():
        reason = f"needs the real recordings; set SPIKELOOP_DATA to their folder (looked in {folder})"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return folder


@pytest.fixture(scope="session")
def retina(data_folder: Path) -> Recording:
    return find_recording("retina", folder=data_folder)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """96 units at 1 kHz, windows of 32 bins, random weights."""
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(path)
    return path


@pytest.fixture
def stream_name() -> str:
    """A name that no other stream on the network has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(0))


SPIKELOOP = "from spikeloop.streamer.commands.main import main; main()"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `spikeloop ARGUMENTS` (or another script or program); whatever still runs is killed afterwards."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has children ignore Ctrl-C
    running: list[subprocess.Popen[str]] = []

    def starter(
        *arguments: object, script: Path | None = None, program: str = SPIKELOOP, **options: object
    ) -> subprocess.Popen[str]:
        entry = [str(script)] if script else ["-c", program]
        command = [sys.executable, *entry, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=-1, stderr=-1, text=True, **options)  # type: ignore[call-overload]
        running.append(process)
        return process

    yield starter
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
