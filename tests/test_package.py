"""The package as a whole: what is public, what is imported when, and that it installs."""

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikeloop.exporters
import spikeloop.models
import spikeloop.streamer
from tests.tiny import tiny_bundle, tiny_stream_bundle

REPOSITORY = Path(__file__).parents[1]
ROOMS = (spikeloop.models, spikeloop.exporters, spikeloop.streamer)
MODULES = [
    name
    for room in ROOMS
    for _, name, is_package in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    if not is_package
]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_listed_and_documented(name):
    module = importlib.import_module(name)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))
        if value.__module__ == name
    }
    assert module.__doc__
    assert len(module.__all__) == len(set(module.__all__))
    for key in module.__all__:
        value = getattr(module, key)
        assert not (inspect.isclass(value) or inspect.isfunction(value)) or inspect.getdoc(value), key
    undeclared = public - set(module.__all__)
    assert all(inspect.getdoc(getattr(module, key)) for key in undeclared), undeclared


def python(program: str, **environment: str) -> str:
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | environment, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    loaded = python(
        "import sys, spikeloop.streamer.commands.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sys.modules)"
    ).split("LOADED")[1]
    for heavy in ("torch", "onnxruntime", "pylsl", "scipy", "pooch", "matplotlib"):
        assert f" {heavy} " not in loaded


@pytest.mark.parametrize("make", [tiny_bundle, tiny_stream_bundle])
def test_streaming_never_imports_torch(tmp_path, stream_name, make):
    bundle_path = tmp_path / "tiny"
    make(bundle_path, units=4)
    loaded = python(
        "import sys, spikeloop.streamer.commands.main as m\n"
        f"try: m.main(['stream', {str(bundle_path)!r}, '--name', {stream_name!r}, '--duration', '0.2'])\n"
        "except SystemExit as stopped: assert stopped.code == 0\n"
        "print('LOADED', *sys.modules)"
    ).split("LOADED")[1]
    assert " onnxruntime " in loaded
    for heavy in ("torch", "onnx", "safetensors", "scipy"):
        assert f" {heavy} " not in loaded


def test_the_editable_install_is_this_checkout():
    for room in ROOMS:
        assert room.__file__ is not None
        assert Path(room.__file__).resolve() == REPOSITORY / room.__name__.split(".")[1] / "__init__.py"


def test_the_wheel_holds_the_three_rooms_and_streams_by_itself(tmp_path):
    """Built, installed elsewhere, and asked for the shipped bundle; the checkout's modules come after it."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path / "dist", REPOSITORY], check=True
    )
    (wheel,) = (tmp_path / "dist").glob("spikeloop-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", tmp_path / "site", wheel], check=True)
    assert sorted(path.name for path in (tmp_path / "site" / "spikeloop").iterdir()) == [
        "exporters", "models", "streamer",
    ]  # fmt: skip
    printed = python(
        "import sys, spikeloop.models, spikeloop.exporters.bundle as b\n"
        "from spikeloop.streamer.source import open_source\n"
        "print([m.__file__ for n, m in sys.modules.items() if n.startswith('spikeloop.')])\n"
        "print(open_source(b.read_bundle('retina'), 0).take(100).shape)",
        PYTHONPATH=str(tmp_path / "site"),
    ).splitlines()
    assert all(path.startswith(str(tmp_path / "site")) for path in ast.literal_eval(printed[0]))
    assert printed[1] == "(100, 50)"
    assert not list((tmp_path / "site").rglob("tests"))
