"""What hostile streams on the network say of themselves, and how they stamp: no traceback, no nonsense in figures."""

import math

import numpy as np
import pylsl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.clocks import as_times
from spikeloop.streamer.lsl.clock_model import ClockModel
from spikeloop.streamer.lsl.description import FACTS, describe
from spikeloop.streamer.lsl.exact_clock import ExactClock
from spikeloop.streamer.lsl.segments import SegmentCutter
from spikeloop.streamer.lsl.spikes import check_counts
from tests.support.fuzzing import corpus, fuzzed, refusal

BIN_S = 0.02
NUMBERS = st.sampled_from(
    ["", "0", "-1", "1e300", "nan", "inf", "-0.0", "9" * 400, "9" * 5000, "1" + "0" * 18, "１２", "0x10"]
)
FACT = st.one_of(NUMBERS, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
STAMPS = st.one_of(
    st.floats(),
    st.integers(0, 400).map(lambda number: 100 + BIN_S * number),
    st.sampled_from([1e300, -1e300, 1.7e308, 1e18, 1e16, -1e16, 1.7e15, 5e-324]),
)


@fuzzed(100)
@given(
    st.dictionaries(st.sampled_from([*FACTS, "bin_size_s", "recording"]), FACT),
    st.lists(FACT, max_size=4),
    st.one_of(st.floats(0), st.sampled_from([1e-300, 0.01, 0.02, 1e308])),
)
def test_any_description_is_read(facts, labels, rate_hz):
    info = pylsl.StreamInfo("s", "Spikes", 2, rate_hz, pylsl.cf_float32, "id")
    channels, own = info.desc().append_child("channels"), info.desc().append_child("spikeloop")
    for label in labels:
        channels.append_child("channel").append_child_value("label", label)
    for key, text in facts.items():
        own.append_child_value(key, text)
    found = describe(info)
    assert len(found.unit_names) == 2
    assert all(math.isfinite(number or 0) for number in (found.start_s, found.step_s, found.seed))
    refusal(lambda: check_counts(info))


@fuzzed(60)
@given(st.sampled_from([ExactClock, ClockModel]), st.lists(st.lists(STAMPS, max_size=30), max_size=6))
@pytest.mark.filterwarnings("error")
def test_any_stamps_give_segments_of_all_bins_near_the_present(clock, pulls):
    cutter, now_s, bins = SegmentCutter(clock(BIN_S), BIN_S, saturates=False), 100.0, 0
    for pulled in pulls:
        now_s += 0.3
        stamps_s = as_times(np.array(pulled, np.float64))
        bins += sum(map(_bins, [cutter.cut(np.zeros((len(pulled), 2), np.float32), stamps_s, stamps_s, now_s)]))
        cutter.stamps_check.findings()
    bins += sum(_bins(cut) for cut in (cutter.check(now_s + 100), cutter.end()) if cut is not None)
    assert bins == sum(map(len, pulls))


def _bins(cut) -> int:
    for segment in cut.segments:
        assert np.isfinite(segment.ends_s).all()
        assert (np.abs(segment.ends_s - 100) < 1000).all()
    return sum(len(segment.counts) for segment in cut.segments)


@pytest.mark.parametrize("path", corpus("stamps"))
@pytest.mark.parametrize("clock", [ExactClock, ClockModel])
@pytest.mark.filterwarnings("error")
def test_stamps_that_once_failed(path, clock):
    pulls = [[float(stamp) for stamp in line.split()] for line in path.read_text().splitlines()]
    test_any_stamps_give_segments_of_all_bins_near_the_present.hypothesis.inner_test(clock, pulls)
