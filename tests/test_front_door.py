"""The public names of `import spikeloop`: what they are, and that none is imported before it is used."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import spikeloop

HEAVY = ("torch", "pylsl", "onnxruntime", "scipy", "numpy", "rich", "tyro", "asyncio")
TIMED = "import time; began = time.process_time(); import spikeloop; print(time.process_time() - began)"


def python(program: str) -> str:
    """What a program prints in an interpreter of its own."""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_importing_spikeloop_is_quick_and_imports_nothing_heavy():
    loaded = python("import sys, spikeloop; dir(spikeloop); print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)
    assert min(float(python(TIMED)) for _ in range(3)) <= 0.3


@pytest.mark.parametrize("name", spikeloop.PLACES)
def test_each_public_name_is_listed_imported_at_its_first_use_and_documented(name):
    assert name in dir(spikeloop)
    value = getattr(spikeloop, name)
    assert value.__doc__
    assert value.__name__ == name
    assert getattr(spikeloop, name) is value


def test_type_checkers_and_the_interpreter_find_the_same_names_in_the_same_places():
    tree = ast.parse(Path(spikeloop.__file__ or "").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        (alias.asname, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    }
    assert declared == set(spikeloop.PLACES.items())


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trane'"):
        _ = spikeloop.trane  # pyright: ignore[reportAttributeAccessIssue]
