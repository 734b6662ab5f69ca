"""The sample decoders of falcon-challenge, which is installed without its dependencies."""

import importlib.util
from pathlib import Path

import pytest

__all__ = ["falcon_samples"]


def falcon_samples() -> Path:
    """Their folder; the test is skipped where the package is missing."""
    spec = importlib.util.find_spec("decoder_demos")
    if spec is None or spec.origin is None:
        pytest.skip("falcon-challenge is not installed; pip install --no-deps falcon-challenge==1.0.2")
    return Path(spec.origin).parent
