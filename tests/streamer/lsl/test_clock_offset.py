"""Comparisons of clocks: how long one inlet serves for them, and when none is needed any more."""

import platform
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from spikeloop.streamer.lsl.clock_offset import RENEWED_AFTER_S, ClockOffset


class Inlet:
    """Measures an offset, or gets no answer."""

    def __init__(self, offset_s: float | None) -> None:
        self._offset_s = offset_s

    def time_correction(self, within_s):
        if self._offset_s is None:
            raise RuntimeError("no answer")
        return self._offset_s


class Sender:
    """A stream, the offset of its clock, the time, and what was opened of it."""

    def __init__(self, hostname: str, offset_s: float | None) -> None:
        self.offset_s, self.now_s = offset_s, 0.0
        self.opened: list[weakref.ref[Inlet]] = []
        info: Any = SimpleNamespace(hostname=lambda: hostname)
        self.clock = ClockOffset(info, self.open_inlet, lambda: self.now_s)

    def open_inlet(self, info) -> Any:
        inlet = Inlet(self.offset_s)
        self.opened.append(weakref.ref(inlet))
        return inlet

    @property
    def held(self) -> int:
        """Inlets that are open."""
        return sum(inlet() is not None for inlet in self.opened)


def test_the_inlet_of_another_computers_clock_gives_way_to_a_new_one_so_that_none_is_held_for_long():
    sender = Sender("elsewhere", 0.5)
    for _ in range(1000):
        assert sender.clock.measure(1.0) == 0.5
        assert sender.held == 1
        sender.now_s += RENEWED_AFTER_S / 100
    assert len(sender.opened) == 10


@pytest.mark.parametrize("offset_s", [3e-5, -3e-5])
def test_programs_of_one_machine_have_one_clock_so_that_one_comparison_is_enough(offset_s):
    sender = Sender(platform.node(), offset_s)
    for _ in range(10):
        assert sender.clock.measure(1.0) == 0.0
    assert (len(sender.opened), sender.held) == (1, 0)


@pytest.mark.parametrize(("hostname", "offset_s"), [(platform.node(), 0.2), ("elsewhere", 3e-5)])
def test_another_machine_is_known_by_its_name_or_by_its_clock(hostname, offset_s):
    sender = Sender(hostname, offset_s)
    for _ in range(3):
        assert sender.clock.measure(1.0) == offset_s
    assert sender.held == 1


def test_a_stream_that_does_not_answer_is_asked_anew():
    sender = Sender("elsewhere", None)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            sender.clock.measure(1.0)
    sender.offset_s = 0.5
    assert sender.clock.measure(1.0) == 0.5
