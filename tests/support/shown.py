"""How long a result may be that shows itself in a terminal."""

from typing import Any

LONGEST = 2000  # characters


def shown(result: Any) -> str:
    """What a terminal shows of a result, both printed and as the value of a line."""
    assert len(repr(result)) < LONGEST
    assert len(str(result)) < LONGEST
    return str(result)
