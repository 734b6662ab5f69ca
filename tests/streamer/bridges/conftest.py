"""Programs in the Python that has the vendors' own clients."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.vendors import vendors_environment, vendors_python

StartVendors = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_vendors() -> Iterator[StartVendors]:
    """Start `python ARGUMENTS` there; whatever still runs is killed afterwards."""
    python = vendors_python()
    running: list[subprocess.Popen[str]] = []

    def starter(*arguments: object, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=folder, env=vendors_environment() | environment,
        )  # fmt: skip
        running.append(process)
        return process

    yield starter
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
