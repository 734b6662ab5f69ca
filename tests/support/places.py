"""Where things lie in the checkout."""

from pathlib import Path

__all__ = ["REPOSITORY", "SUPPORT"]

SUPPORT = Path(__file__).parent
REPOSITORY = SUPPORT.parents[1]
