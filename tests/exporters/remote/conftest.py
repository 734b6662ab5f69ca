"""A cache of its own for each test, a stand-in for the hub, and a server of files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spikeloop.exporters.pulled_bundles import CACHE
from spikeloop.exporters.signing import new_signing_key, sign_bundle
from tests.support.file_server import FileServer, file_server
from tests.support.hub_server import TOKEN, Hub, hub_server
from tests.support.tiny import tiny_bundle


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def hub_of_module() -> Iterator[Hub]:
    with hub_server() as hub:
        yield hub


@pytest.fixture
def hub(hub_of_module: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The stand-in, empty, whose owner is logged in."""
    hub_of_module.repositories.clear()
    hub_of_module.requests.clear()
    hub_of_module.cut, hub_of_module.redirected = "no file", False
    environment = {"HF_ENDPOINT": hub_of_module.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hub")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # a wire that the stand-in lacks
    return hub_of_module


@pytest.fixture
def files() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles, `tiny` and `tiny.zip`, the same two signed, `signed` and `signed.zip`, and `lab.key.pub`."""
    folder = tmp_path_factory.mktemp("made")
    new_signing_key(folder / "lab.key")
    for name in ("tiny", "tiny.zip", "signed", "signed.zip"):
        tiny_bundle(folder / name, units=4)
        if name.startswith("signed"):
            sign_bundle(folder / name, folder / "lab.key")
    return folder


@pytest.fixture
def left_in(cache: Path) -> "LeftIn":
    return LeftIn(cache)


class LeftIn:
    """What is in the cache."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def files(self) -> set[str]:
        return {
            os.path.relpath(os.path.join(folder, name), self._cache)
            for folder, _, names in os.walk(self._cache)
            for name in names
        }
