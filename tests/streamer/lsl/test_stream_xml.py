"""The description of a stream as text: as pylsl gives it, and without what pylsl leaves behind."""

import ctypes
import sys

import pylsl
import pytest

from spikeloop.streamer.lsl.stream_xml import xml_of

LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class Allocated(ctypes.Structure):
    """What `mallinfo2` of glibc returns."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS.split()]


def described(label: str) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo("lab", "Spikes", 96, 50.0, pylsl.cf_int16, "id")
    channels = info.desc().append_child("channels")
    for unit in range(96):
        channels.append_child("channel").append_child_value("label", f"{label} {unit}")
    return info


@pytest.mark.parametrize("label", ["unit", "Einheit µ", "単位"])
def test_it_is_the_text_that_pylsl_returns(label):
    info = described(label)
    assert f"<label>{label} 95</label>" in xml_of(info)
    assert xml_of(info) == info.as_xml()


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(LIBRARY, "mallinfo2"), reason="glibc alone counts")
def test_no_text_is_left_in_memory():
    LIBRARY.mallinfo2.restype = Allocated
    info, before = described("unit"), LIBRARY.mallinfo2().uordblks
    for _ in range(200):
        xml_of(info)
    assert LIBRARY.mallinfo2().uordblks - before < 20 * len(xml_of(info))
