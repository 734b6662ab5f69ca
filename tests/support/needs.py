"""What a test needs of the machine, read from what its module imports and which fixtures it asks for."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.support.places import REPOSITORY

__all__ = ["MARKERS", "needs_of"]

MARKERS = {
    "torch": "trains or exports; needs PyTorch",
    "lsl": "streams over Lab Streaming Layer; needs liblsl and network sockets",
    "mqtt": "needs an MQTT broker and network sockets",
    "browser": "opens a page in Chromium",
    "realtime": "starts programs, or waits on the real clock",
    "slow": "judges whole recordings or bundles, or runs whole commands; seconds of work",
}
BY_IMPORT = {
    "torch": "torch",
    "pylsl": "lsl",
    "paho": "mqtt",
    "tests.support.broker": "mqtt",
    "distributed": "realtime",
    "tests.support.training": "torch",
    "pynwb": "realtime",  # asks a program for the machine's name
    "tests.support.nwb_sessions": "realtime",
    "tests.support.file_server": "realtime",
    "tests.support.hub_server": "realtime",
    "tests.support.fuzzed": "realtime",
    "tests.soak.program": "realtime",
}  # by a module of tests, or by what it loads
BY_FIXTURE = {
    "start": "realtime",
    "start_vendors": "realtime",
    "chromium": "browser",
    "browser": "browser",
    "broker": "mqtt",
}
SLOW = (
    "models/evaluation/",
    "exporters/formats/test_catalogue.py",
    "models/recordings/test_simulated_cortex.py",
    "models/sorting/test_comparison.py",
    "streamer/bridges/test_ephys_socket.py",
    "streamer/bridges/test_synapse_taps.py",
    "streamer/broadband/test_detection.py",
    "streamer/broadband/test_recorded_templates.py",
    "streamer/broadband/test_sorting.py",
    "streamer/closedloop/days/test_days.py",
    "streamer/closedloop/days/test_isolated_policies.py",
    "streamer/closedloop/days/test_policies.py",
    "streamer/closedloop/results/",
    "streamer/closedloop/test_comparison.py",
    "streamer/commands/",
    "streamer/dashboard/test_page",
    "streamer/launch/",
    "test_zoo.py",
)
OURS = ("spikeloop", "tests")
TESTS = REPOSITORY / "tests"


def needs_of(path: Path, fixtures: Iterable[str] = ()) -> set[str]:
    """Markers of the tests in a module, and of one that asks for these fixtures."""
    return {BY_FIXTURE[fixture] for fixture in fixtures if fixture in BY_FIXTURE} | _needed_by_all(path)


@cache
def _needed_by_all(path: Path) -> frozenset[str]:
    """Markers of all tests in a module."""
    needed: set[str] = set()
    imported = set(_imports(path, late=True))
    if "subprocess" in imported:  # the product imports it too, and starts programs only when asked to
        needed.add("realtime")
    if path.is_relative_to(TESTS) and path.relative_to(TESTS).as_posix().startswith(SLOW):
        needed.add("slow")
    for name in imported | _loaded_by(path):
        needed |= {marker for library, marker in BY_IMPORT.items() if f"{name}.".startswith(f"{library}.")}
    return frozenset(needed)


@cache
def _loaded_by(path: Path) -> frozenset[str]:
    """All modules that a module's import loads, directly or through ours."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        for name in _imports(waiting.pop(), late=False):
            if name not in found:
                found.add(name)
                waiting += _files(name)
    return frozenset(found)


@cache
def _files(name: str) -> list[Path]:
    """Where a module of ours lies; what else is imported is not followed."""
    if name.split(".")[0] not in OURS:
        return []
    place = REPOSITORY.joinpath(*name.split("."))
    return [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]


@cache
def _imports(path: Path, late: bool) -> tuple[str, ...]:
    """Names that a file imports at once, or also late, inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(_names(tree.body, late))


def _names(statements: Iterable[ast.stmt], late: bool) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif late or not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
                continue
            for _, block in ast.iter_fields(statement):
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt | ast.ExceptHandler):
                    yield from _names(block, late)
