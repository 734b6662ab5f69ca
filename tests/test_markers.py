"""Markers say what tests need, and the fast mode can't do what it leaves out."""

import re
import socket
import sys
from importlib import import_module
from typing import Any

import pytest

from tests.support.needs import MARKERS, TESTS, needs_of
from tests.support.order import longest_first
from tests.support.places import REPOSITORY

SUBJECTS = {"torch": "torch", "pylsl": "lsl", "paho": "mqtt"}


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_a_module_that_imports_torch_pylsl_or_paho_is_marked(path):
    imported = re.findall(r"^ *(?:import|from) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert {marker for library, marker in SUBJECTS.items() if library in imported} <= needs_of(path)


@pytest.mark.parametrize(
    ("program", "needed"),
    [
        ("import torch.nn", {"torch"}),
        ("def test():\n    from torch import nn", {"torch"}),
        ("from spikeloop.models.families import causal_gan", {"torch"}),
        ("from spikeloop.models.families import k_pairwise", set()),
        ("try:\n    import pylsl\nexcept ImportError:\n    pass", {"lsl"}),
        ("from tests.support.far_end import gone", {"lsl"}),
        ("from tests.support.broker import Mosquitto", {"mqtt"}),
        ("import subprocess", {"realtime"}),
        ("if TYPE_CHECKING:\n    import torch", set()),
        ("import numpy", set()),
    ],
)
def test_needs_are_read_from_imports_also_late_ones_and_those_of_what_is_imported(tmp_path, program, needed):
    path = tmp_path / "test_it.py"
    path.write_text(program)
    assert needs_of(path) == needed


@pytest.mark.parametrize(("fixture", "needed"), [("start", "realtime"), ("chromium", "browser"), ("broker", "mqtt")])
def test_needs_are_read_from_fixtures(tmp_path, fixture, needed):
    path = tmp_path / "test_it.py"
    path.write_text("")
    assert needs_of(path, [fixture, "tmp_path"]) == {needed}


def test_every_marker_is_said_to_mean_something(request):
    declared = request.config.getini("markers")
    assert all(any(line.startswith(f"{name}: ") for line in declared) for name in MARKERS)


class Item:
    """Of a test, its name, and whether it is marked as long."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_closest_marker(self, name: str) -> bool:
        return self.name.isupper() and name == "long"


@pytest.mark.parametrize(
    ("workers", "ordered"),
    [(1, "CFGabdeh"), (2, "CGabFdeh"), (3, "CaFbdGeh"), (8, "CFGabdeh"), (20, "CFGabdeh")],
)
def test_long_tests_begin_the_equal_shares_of_the_workers(workers, ordered):
    items: Any = [Item(name) for name in "abCdeFGh"]
    assert "".join(item.name for item in longest_first(items, workers)) == ordered


def test_no_test_module_imports_another():
    for path in TESTS.rglob("*.py"):
        found = re.findall(r"^from tests\.[\w.]*(?:test_\w+|conftest) import", path.read_text("utf-8"), re.MULTILINE)
        assert not found, path.relative_to(REPOSITORY)


def test_in_fast_mode_neither_torch_nor_sockets_nor_programs_are_to_be_had(request):
    if not request.config.getoption("--fast"):
        pytest.skip("only in fast mode")
    assert not {"torch", "pylsl"} & set(sys.modules)
    for name in ("torch", "pylsl"):
        with pytest.raises(ModuleNotFoundError, match="mark it"):
            import_module(name)
    for family in (socket.AF_INET, socket.AF_INET6):
        with pytest.raises(AssertionError, match="mark it"):
            socket.socket(family)
    with pytest.raises(AssertionError, match="mark it"):
        import_module("subprocess").Popen([sys.executable, "-c", ""])


@pytest.mark.realtime
@pytest.mark.timeout(180)
def test_the_fast_mode_runs_this_module_without_what_it_forbids(start):
    fast = start("--fast", "-q", "-p", "no:cacheprovider", __file__, program="import pytest; pytest.console_main()",
                 cwd=REPOSITORY)  # fmt: skip
    printed, _ = fast.communicate(timeout=280)
    assert fast.returncode == 0, printed
    assert re.search(r"\d+ passed, 1 deselected", printed), printed
