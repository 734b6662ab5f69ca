"""What installs an extra, for messages about packages that are missing."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError

import pytest

from spikeloop.models import packages
from spikeloop.models.errors import FailureError
from spikeloop.models.packages import import_package, install_command
from tests.support.places import REPOSITORY

EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NAMED = sorted(
    {
        name
        for room in ("models", "exporters", "streamer", "spikeloop/gym.py", "spikeloop/bridges")
        for path in ([REPOSITORY / room] if room.endswith(".py") else (REPOSITORY / room).rglob("*.py"))
        for name in re.findall(r"""(?:\bextra=|install_command\()["'](\w+)["']""", path.read_text("utf-8"))
    }
)


def names(requirements: list[str]) -> set[str]:
    """The packages of requirements, without versions."""
    return {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in requirements}  # type: ignore[index]


@pytest.mark.parametrize("extra", NAMED)
def test_the_command_installs_what_the_extra_has(extra):
    """By name, as spikeloop itself may have come from a clone or a wheel that pip can't find again."""
    command = install_command(extra)
    assert command.startswith('pip install "')
    assert names(re.findall(r'"([^"]+)"', command)) == names(EXTRAS[extra])
    assert "spikeloop" not in command


def test_bounds_of_versions_and_markers_are_kept():
    assert "<3" in install_command("mqtt")
    assert "python_version >= '3.12'" in install_command("bridges")


def test_without_metadata_the_folder_is_installed(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "requires", absent)
    assert install_command("mqtt") == 'pip install ".[mqtt]" in the folder of spikeloop'


def test_a_module_that_is_missing_is_installed_by_the_name_of_its_package(monkeypatch):
    monkeypatch.setattr(packages, "import_module", lambda name: __import__("absent_package"))
    with pytest.raises(FailureError, match=r"absent\.part is not installed, which this needs; pip install absent$"):
        import_package("absent.part", "this")
