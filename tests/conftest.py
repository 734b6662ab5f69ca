"""What all tests share: markers by what they need, the recordings at hand, and small bundles with random weights."""

import gc
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.formats.catalogue import CATALOGUE
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.measures import bootstrap, two_sample
from spikeloop.models.recordings.recording import Recording
from tests.support.fast import forbid_heavy_imports, forbid_sockets_and_programs
from tests.support.lsl_session import own_lsl_session
from tests.support.needs import MARKERS, needs_of
from tests.support.order import longest_first
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_bundle

own_lsl_session()

# the same examples in every run, and no limit on the time of one, which a busy machine would exceed
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only tests without torch, sockets and other programs")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.addinivalue_line("markers", "long: takes longest; begins first where several workers share the tests")
    if config.getoption("--fast"):
        forbid_heavy_imports()


def pytest_collection(session: pytest.Session) -> None:
    """From here on, after pytest and its workers have started."""
    if session.config.getoption("--fast"):
        forbid_sockets_and_programs()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In fast mode, a module that needs anything is not even imported."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.getoption("--fast") and is_test and needs_of(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, where this is asked for; in fast mode, leave out all that need anything."""
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"workers would not agree on the names of these tests: {', '.join(unstable[:3])}")
    for item in items if config.getoption("--fast") or config.getoption("-m") else ():  # reading imports takes a while
        for name in needs_of(item.path, getattr(item, "fixturenames", ())):
            item.add_marker(name)
    if config.getoption("--fast"):
        left_out = [item for item in items if any(mark.name in MARKERS for mark in item.iter_markers())]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        items[:] = longest_first(items, int(workers))


@pytest.fixture(scope="module", autouse=True)
def old_objects_frozen() -> None:
    """Let the garbage collector look only at what a module's own tests make, not at millions of objects before them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def priority_kept() -> Iterator[None]:
    """`monitor` lowers the priority of its process, which here is that of all tests after it."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "nice"):
            patch.setattr(os, "nice", lambda increment: 0)
        yield


@pytest.fixture(scope="session", autouse=True)
def hangups_heard() -> None:
    """What `nohup` started ignores SIGHUP, and so would all that the tests start and close the terminal of."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
    return read_recording("retina", folder=data_folder)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """96 units at 1 kHz, windows of 32 bins, random weights."""
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny_bundle(path)
    return path


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """Most time of a verdict goes into the trees of the two-sample test; few will do where its figure is no matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_sample, "TREES", 5)
        yield


@pytest.fixture(scope="module")
def brief_verdicts(few_trees: None) -> Iterator[None]:
    """Verdicts whose intervals are rough, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "BOOTSTRAPS", 8)
        patch.setattr(bootstrap, "LEAST_BOOTSTRAPS", 6)
        yield


@pytest.fixture
def stream_name() -> str:
    """A name that no other stream on the network has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(0))


SPIKELOOP = "from spikeloop.__main__ import main; main()"
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
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(command, **settings)
        running.append(process)
        return process

    yield starter
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
