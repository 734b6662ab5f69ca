"""The Python that has the clients of Science and of Cortical Labs, which `make bridges` installs."""

import os
from pathlib import Path

import pytest

from tests.support.places import REPOSITORY

__all__ = ["vendors_environment", "vendors_python"]

REASON = "needs science-synapse and cl-sdk on Python 3.12 or newer; make bridges"


def vendors_python() -> str:
    """Path of that Python: SPIKELOOP_BRIDGES_PYTHON, or of .venv-bridges; skips the test where there is none."""
    folder = "Scripts" if os.name == "nt" else "bin"
    python = os.environ.get("SPIKELOOP_BRIDGES_PYTHON") or REPOSITORY / ".venv-bridges" / folder / "python"
    if not Path(python).exists():
        pytest.skip(REASON)
    return str(python)


def vendors_environment() -> dict[str, str]:
    """The environment in which it finds this checkout."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
