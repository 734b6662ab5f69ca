"""Where the pictures go."""

from pathlib import Path

DOCS = Path(__file__).parents[1]
