"""The latency budget, from bins whose times are known."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder
from spikeloop.streamer.closedloop.experiment.record import BlockName, Moment
from spikeloop.streamer.closedloop.experiment.users import View
from spikeloop.streamer.closedloop.real_time.latency import LoopTimer, TimedDecoder

VIEW = View(np.zeros(2), np.zeros(2), None)
WITHIN = 0.011  # the grain of the quantiles


class Late(ReportingDecoder):
    """A decoder that exists only inside the loop, some of whose answers are of no use."""

    @property
    def status(self):
        return DecoderStatus(live=True, late_answers=5, invalid_answers=6)

    def __init__(self, fit, step) -> None:
        self._fit, self._step = fit, step

    def fit(self, counts, kinematics) -> None:
        self._fit(counts, kinematics)

    def step(self, counts):
        return self._step(counts)


class Loop:
    """Bins that end on every second, and stages that last as long as the test says, in ms."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.population: Any = SimpleNamespace(
            end_s=math.nan,
            arrived_s=math.nan,
            sent_s=0.0,
            missed_steps=1,
            late_steps=2,
            dropped_steps=3,
            late_inputs=4,
        )
        self.decoder = TimedDecoder(Late(self.fit, self.step), lambda: self.now_s)
        self.timer = LoopTimer(self.population, self.decoder)
        self.fits: list[int] = []
        self.bins = 0
        self._decoding_s = 0.0

    def fit(self, counts, kinematics) -> None:
        self.fits.append(len(counts))

    def step(self, counts):
        self.now_s += self._decoding_s
        return counts * 2

    def bin(self, spikes: float, decoding: float | None, cursor: float, block: BlockName = "closed loop") -> None:
        """A bin, not decoded where its counts did not arrive; the intended velocity was sent before it."""
        self.population.sent_s = self.now_s
        self.bins += 1
        self.population.end_s = float(self.bins)
        self.now_s = self.population.arrived_s = self.population.end_s + spikes / 1000
        if decoding is not None:
            self._decoding_s = decoding / 1000
            np.testing.assert_array_equal(self.decoder.step(np.ones(3)), [2, 2, 2])
        self.timer.show(Moment(block, self.bins, VIEW, np.zeros(2)))
        self.now_s += cursor / 1000


def test_stages_add_up_to_the_loop():
    loop = Loop()
    for _ in range(99):
        loop.bin(1.0, 2.0, 0.5)
    loop.bin(4.0, 8.0, 2.0)
    loop.bin(1.0, 2.0, 0.5)
    found = loop.timer.report()
    for stage, usual, worst in (
        (found.spikes_ms, 1.0, 4.0),
        (found.decoder_ms, 2.0, 8.0),
        (found.cursor_ms, 0.5, 2.0),
        (found.loop_ms, 3.5, 14.0),
    ):
        assert stage["p50"] == pytest.approx(usual, rel=WITHIN)
        assert stage["p99"] == pytest.approx(usual, rel=WITHIN)
        assert stage["max"] == pytest.approx(worst)
    assert found.steps == 101


def test_calibration_fits_and_pauses_between_blocks_are_no_latency():
    loop = Loop()
    loop.bin(500.0, None, 0.0, "calibration")
    loop.decoder.fit(np.zeros((7, 3)), np.zeros((7, 2)))
    loop.now_s += 0.2
    loop.decoder.step(np.ones(3))  # of held-out data
    loop.bin(1.0, 2.0, 400.0, "before recalibration")
    loop.bin(1.0, 2.0, 0.5)
    loop.bin(1.0, 2.0, 0.5)
    found = loop.timer.report()
    assert loop.fits == [7]
    assert (found.steps, found.loop_ms["max"]) == (3, pytest.approx(3.5))
    assert found.spikes_ms["max"] == pytest.approx(1.0)


def test_a_bin_that_is_not_decoded_counts_in_the_first_stage_only():
    loop = Loop()
    loop.bin(1.0, 2.0, 0.5)
    loop.bin(3.0, None, 100.0)
    loop.bin(1.0, 2.0, 0.5)
    found = loop.timer.report()
    assert (found.spikes_ms["max"], found.decoder_ms["max"]) == (pytest.approx(3.0), pytest.approx(2.0))
    assert found.loop_ms["max"] == pytest.approx(3.5)


def test_a_bin_that_never_came_to_its_end_is_not_counted_again_as_the_one_before():
    loop = Loop()
    for _ in range(3):
        loop.bin(1.0, 2.0, 0.5)
    before = loop.timer.report()
    loop.timer.show(Moment("closed loop", loop.bins + 1, VIEW, np.zeros(2), passed=False))
    assert loop.timer.report() == before
    assert before.steps == 3


def test_losses_are_those_of_population_and_decoder():
    loop = Loop()
    assert loop.decoder.status.live
    found = loop.timer.report()
    assert (found.missed_steps, found.late_steps, found.dropped_steps, found.late_inputs) == (1, 2, 3, 4)
    assert (found.late_answers, found.invalid_answers) == (5, 6)
    assert all(math.isnan(value) for value in found.loop_ms.values())
