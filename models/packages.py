"""Packages that are not among the dependencies: checked for, imported, and how they are installed."""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from typing import Any

from spikeloop.models.errors import FailureError

__all__ = ["import_package", "install_command", "require_packages", "require_torch"]

OF_AN_EXTRA = re.compile(r"""(?P<package>[^;]+); (\((?P<further>.+)\) and )?extra == ["'](?P<extra>[\w-]+)["']""")


def require_torch() -> None:
    """Make sure that what training and export need is installed.

    Raises
    ------
    FailureError
        If it is not; names what to install.
    """
    require_packages("torch", "onnx", "onnxscript", "safetensors", "filelock")


def require_packages(*names: str, extra: str = "train", what: str = "training") -> None:
    """Make sure that these packages of an extra are installed, without importing them.

    Parameters
    ----------
    *names : str
    extra : str
        Of spikeloop, that installs them.
    what : str
        Needs them, for the message.

    Raises
    ------
    FailureError
        If they are not; names what to install.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise FailureError(f"{', '.join(missing)} not installed, which {what} needs; {install_command(extra)}")


def install_command(extra: str) -> str:
    """Write the command that installs what an extra of spikeloop names.

    It names the packages rather than spikeloop, and so works wherever spikeloop was installed from: a clone, a
    wheel, or a package index.

    Parameters
    ----------
    extra : str
        Such as "mqtt".

    Returns
    -------
    str
        Such as `pip install "aiomqtt<3,>=2.4" "jsonschema>=4.23"`.
    """
    try:
        lines = requires("spikeloop") or []
    except PackageNotFoundError:
        lines = []
    found = [match for line in lines if (match := OF_AN_EXTRA.fullmatch(line)) and match["extra"] == extra]
    if not found:  # by an install of before the extra, or a folder that is not installed
        return f'pip install ".[{extra}]" in the folder of spikeloop'
    wanted = [f"{match['package']}; {match['further']}" if match["further"] else match["package"] for match in found]
    return "pip install " + " ".join(f'"{each}"' for each in wanted)


def import_package(name: str, what: str) -> Any:
    """Import a package that is in no extra of spikeloop.

    Parameters
    ----------
    name : str
    what : str
        Needs it, for the message.

    Raises
    ------
    FailureError
        If it is not installed; names what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise FailureError(
            f"{name} is not installed, which {what} needs; pip install {name.partition('.')[0]}"
        ) from error
