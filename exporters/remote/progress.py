"""How far a transfer is."""

from collections.abc import Callable

__all__ = ["Progress", "no_progress"]

Progress = Callable[[int, int], None]  # given the bytes that were transferred, and those of all; 0 where unknown


def no_progress(transferred: int, total: int) -> None:
    """Show nothing."""
