"""The whole description of a stream as text."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pylsl

__all__ = ["xml_of"]


def xml_of(info: "pylsl.StreamInfo") -> str:
    """Return what `info.as_xml()` does, which leaves LSL's copy of the text, often 10 KB, in memory at each call."""
    library, get_xml = _library()
    place = get_xml(info.obj)
    text = ctypes.string_at(place)
    library.lsl_destroy_string(place)
    try:
        return text.decode()
    except UnicodeDecodeError:  # of a sender that does not keep to UTF-8
        return text.decode("latin-1")


@cache
def _library() -> tuple[Any, Callable[[Any], int]]:
    """Return LSL's library, and its function for the text as it is in C: pylsl's own does not say where the text is."""
    from pylsl.lib import lib

    return lib, ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("lsl_get_xml", lib))
