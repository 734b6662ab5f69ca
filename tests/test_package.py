"""The package as a whole: what is public, what is imported when, and that it installs."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

import spikeloop.exporters
import spikeloop.models
import spikeloop.streamer
from tests.support.places import REPOSITORY
from tests.support.tiny import tiny_bundle, tiny_stream_bundle

ROOMS = (spikeloop.models, spikeloop.exporters, spikeloop.streamer)
MODULES = [
    name
    for room in ROOMS
    for _, name, is_package in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    if not is_package
]


def imported(name: str) -> ModuleType:
    """Import a module; where the clients of Science's Synapse are not installed, skip those that need them."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in ("grpc", "synapse") and ".bridges.synapse" in name:
            pytest.skip(f"needs {error.name}, of the extra bridges")
        raise


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_listed_and_documented(name):
    module = imported(name)
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


def python(program: str, folder: Path | None = None, **environment: str) -> str:
    """What a program prints that runs in a folder, by default in this one."""
    command, variables = [sys.executable, "-c", program], os.environ | environment
    outcome = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    loaded = python(
        "import sys, spikeloop.__main__ as m\n"
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
    loaded = (
        python(
            "import sys, spikeloop.__main__ as m\n"
            f"try: m.main(['stream', {str(bundle_path)!r}, '--name', {stream_name!r}, '--duration', '0.2'])\n"
            "except SystemExit as stopped: assert stopped.code == 0\n"
            "print('LOADED', *sys.modules)"
        )
        .split("LOADED")[1]
        .split()
    )
    assert "onnxruntime" in loaded
    assert not {"torch", "onnx", "safetensors", "scipy"}.intersection(loaded)


def test_only_the_front_door_names_the_entry_of_the_command_line():
    """What starts `spikeloop` in a process of its own starts the front door, so that no room points upwards."""
    entry = "spikeloop.streamer.commands.main"
    tracked = [REPOSITORY / "spikeloop" / "__main__.py", *REPOSITORY.glob("*.toml")]
    for room in ("models", "exporters", "streamer", "benchmarks", "examples", "docs", "tests"):
        tracked += (REPOSITORY / room).rglob("*.py")
    named = [path for path in tracked if entry in path.read_text(encoding="utf-8") and path != Path(__file__).resolve()]
    assert named == [REPOSITORY / "spikeloop" / "__main__.py"]


def test_the_editable_install_is_this_checkout():
    for room in ROOMS:
        assert room.__file__ is not None
        assert Path(room.__file__).resolve() == REPOSITORY / room.__name__.split(".")[1] / "__init__.py"


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
FOLDERS = ("models", "exporters", "streamer", "spikeloop")  # of what is installed


def wheel_of(source: Path, folder: Path) -> Path:
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True)
    (wheel,) = folder.glob("spikeloop-*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(REPOSITORY, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder]
    subprocess.run(build, check=True, cwd=REPOSITORY, capture_output=True)
    (archive,) = folder.glob("spikeloop-*.tar.gz")
    return archive


def test_a_wheel_made_from_the_source_archive_is_the_wheel_of_the_checkout(wheel, archive, tmp_path):
    again = wheel_of(archive, tmp_path)
    assert again.name == wheel.name  # and so the version, although an archive has no tags
    first, second = (
        {(entry.filename, entry.CRC) for entry in ZipFile(made).infolist() if "dist-info/" not in entry.filename}
        for made in (wheel, again)
    )
    assert first == second


def test_the_wheel_holds_every_file_of_the_rooms_and_nothing_else(wheel):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS],
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    ).stdout.splitlines()  # fmt: skip
    tracked = {Path(name) for name in listed if (REPOSITORY / name).is_file()}
    expected = {(Path() if name.parts[0] == "spikeloop" else Path("spikeloop")) / name for name in tracked}
    held = {Path(name) for name in ZipFile(wheel).namelist() if ".dist-info" not in Path(name).parts[0]}
    assert held == expected
    assert {"card.json", "generator.onnx", "main.js", "index.html", "page.css", "py.typed"} <= {at.name for at in held}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("v3.2.1", r"3\.2\.1"), (None, r"0\.1\.0\.dev1\+g[0-9a-f]+"), ("no history", r"0\.1\.0\.dev0")],
)
def test_the_version_is_that_of_the_tag(tag, expected, tmp_path):
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    if tag != "no history":
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", tmp_path]
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], *([["tag", tag]] if tag else [])):
            subprocess.run([*git, *command], check=True)
    version = [sys.executable, "-m", "hatchling", "version"]
    found = subprocess.run(version, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()
    assert re.fullmatch(expected, found)


def test_the_readme_of_the_package_index_leads_to_the_code_host(wheel):
    with ZipFile(wheel) as contents:
        (metadata,) = [name for name in contents.namelist() if name.endswith(".dist-info/METADATA")]
        readme = contents.read(metadata).decode()
    assert "](https://raw.githubusercontent.com/spikeloop/spikeloop/main/docs/terminal.gif)" in readme
    assert "](https://github.com/spikeloop/spikeloop/blob/main/docs/install.md)" in readme
    assert not re.findall(r"\]\((?!https?:|#)", readme)


def test_the_wheel_holds_the_three_rooms_and_streams_by_itself(wheel, tmp_path):
    """Built, installed elsewhere, and asked for the shipped bundle; the checkout's modules come after it."""
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", tmp_path / "site", wheel], check=True)
    folder = tmp_path / "site" / "spikeloop"
    front_door = {path.name for path in (REPOSITORY / "spikeloop").iterdir()} - {"__pycache__"}
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == front_door
    assert {"models", "exporters", "streamer", "py.typed"} <= front_door
    printed = python(
        "import sys, spikeloop.models, spikeloop.exporters.bundle as b\n"
        "from spikeloop.streamer.stream.source import open_source\n"
        "print([m.__file__ for n, m in sys.modules.items() if n.startswith('spikeloop.')])\n"
        "print(open_source(b.load_bundle('retina'), 0).next(100).shape)",
        folder=tmp_path,
        PYTHONPATH=str(tmp_path / "site"),
    ).splitlines()
    assert all(path.startswith(str(tmp_path / "site")) for path in ast.literal_eval(printed[0]))
    assert printed[1] == "(100, 50)"
    assert not list((tmp_path / "site").rglob("tests"))
