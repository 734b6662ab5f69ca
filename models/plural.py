"""Numbers of things, in words."""

__all__ = ["number_of"]


def number_of(number: int, thing: str) -> str:
    """Format a number of things: 1 gap, 2 gaps."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
