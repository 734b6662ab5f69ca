"""What a stream says about itself, written and read; and what hostile streams say."""

from dataclasses import asdict, replace

import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.description import (
    Provenance,
    StreamDescription,
    channel,
    check_same,
    describe,
    write_description,
)

MADE = Provenance("tiny", "a" * 64, 2**63 - 1, 0.02, 5, 12.345678901234567, "lsl:hand <&> é", 3)


def written(rate_hz: float = 50.0, **facts: object) -> pylsl.StreamInfo:
    """A stream of two units whose own node holds these in the place of what it should."""
    info = pylsl.StreamInfo("s", "Spikes", 2, rate_hz, pylsl.cf_int8, "source")
    write_description(info, [channel(label, "count", "spikes") for label in ("a", "b")], MADE, **facts)
    return info


def test_what_is_written_is_read():
    found = describe(written())
    assert (found.unit_names, found.bin_size_s, found.saturates) == (("a", "b"), 0.02, True)
    expected = {key: value for key, value in asdict(MADE).items() if key != "signal"}
    assert {key: getattr(found, key) for key in expected} == expected
    assert found.step_s == pytest.approx(0.1)


@pytest.mark.parametrize(
    "fact",
    [
        {"seed": "9" * 400},
        {"seed": "9" * 5000},
        {"seed": "-1"},
        {"seed": "nan"},
        {"step_bins": "1" + "0" * 400},
        {"step_bins": "2.5"},
        {"latency_bins": ""},
        {"start_s": "nan"},
        {"start_s": "1e999"},
        {"start_s": "soon"},
    ],
)
def test_facts_that_cant_be_what_they_should_make_a_stream_foreign(fact):
    found = describe(written(**fact))
    assert (found.unit_names, found.bundle, found.seed, found.step_s) == (("a", "b"), None, None, 0.02)


def test_a_stream_without_a_rate_has_no_bins():
    assert describe(written(rate_hz=0.0)).bin_size_s == 0.0


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"unit_names": ("a", "c")}, "expected the unit 'b' as before, found 'c'"),
        ({"bin_size_s": 0.005}, "expected bins of 1 ms as before, found 5 ms"),
    ],
)
def test_the_next_run_must_have_the_same_units_and_bins(other, why):
    first = StreamDescription("x", "Spikes", ("a", "b"), 0.001, "here", "1")
    check_same(replace(first, uid="2", hostname="there", seed=3), first)
    with pytest.raises(BadInputError, match=why):
        check_same(replace(first, **other), first)
