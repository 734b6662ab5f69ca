import math

import pytest

from spikeloop.streamer.launch.report import busy_words, health_words
from spikeloop.streamer.stream.health import HealthReport


def ran(steps: int, late_steps: int, p99_ms: float = 3.2199) -> HealthReport:
    lateness_ms = {"p50": 0.2123, "p99": p99_ms, "max": 3847.23}
    return HealthReport(steps, steps, 1.0, lateness_ms, late_steps, {"p50": math.nan, "p99": math.nan}, 0.0341, 2.5)


def test_durations_have_the_digits_that_say_something():
    assert "lateness p50 0.21, p99 3.2, max 3847 ms; 1 late step\n0.034 CPU cores" in health_words(ran(1000, 1))


@pytest.mark.parametrize(("steps", "late"), [(0, 0), (500, 0), (500, 4)])
def test_a_machine_that_kept_up_is_not_called_busy(steps, late):
    assert not busy_words(ran(steps, late))


def test_a_machine_that_was_too_busy_is_named_with_what_to_do():
    words = busy_words(ran(500, 12))
    assert words.startswith("the machine was too busy: 12 of 500 steps went out when the next was already due")
    assert "the latest 3847 ms after its time" in words
    assert words.endswith("stop other programs, or send more bins at once with --step-bins")
