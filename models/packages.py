"""Packages that are not among the dependencies: checked for, and imported, by name."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from spikeloop.models.errors import FailureError

__all__ = ["import_package", "require_packages", "require_torch"]


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
        raise FailureError(f"{', '.join(missing)} not installed, which {what} needs; pip install 'spikeloop[{extra}]'")


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
        raise FailureError(f"{name} is not installed, which {what} needs; pip install {name}") from error
