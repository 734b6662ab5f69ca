"""Names of streams that are free, or are not."""

import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.capture.record.inlets import open_inlet
from spikeloop.streamer.lsl.connection import connect
from spikeloop.streamer.lsl.library import buffer_seconds, check_names_are_free


def test_a_name_that_is_on_the_network_or_can_be_none_is_refused(stream_name):
    info = pylsl.StreamInfo(f"{stream_name}'s", "X", 1, 0, pylsl.cf_int8, stream_name)
    outlet = pylsl.StreamOutlet(info)
    with pytest.raises(BadInputError, match="already on the network .*--name"):
        check_names_are_free("other", f"{stream_name}'s")
    del outlet
    for name in ("", " ", "a" * 300, "'\""):
        with pytest.raises(BadInputError, match="--name: expected a name of 1 to 200"):
            check_names_are_free("other", name)


@pytest.mark.parametrize("rate_hz", [1e-6, 0.01, 0.02, 1 / 30, 0.04, 1.0, 3e4])
def test_of_a_stream_however_slow_lsl_keeps_two_samples_at_least(rate_hz):
    assert 60 <= buffer_seconds(60, rate_hz) < 2**31
    assert int(buffer_seconds(60, rate_hz) * rate_hz) >= 2
    assert rate_hz < 1 / 30 or buffer_seconds(60, rate_hz) == 60


@pytest.mark.parametrize("rate_hz", [float("nan"), float("inf"), -1.0, 1e-300, 5e-324, 1e-10])
def test_a_rate_at_which_no_samples_come_is_refused(rate_hz):
    with pytest.raises(BadInputError, match="expected a rate that samples can come at, found"):
        buffer_seconds(60, rate_hz)


@pytest.mark.parametrize("connected", [lambda info: connect(info, 60, 1000).inlet, lambda info: open_inlet(info).inlet])
def test_an_inlet_of_a_slow_stream_that_nobody_pulls_neither_spins_nor_hangs(stream_name, connected):
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "Spikes", 2, 0.01, pylsl.cf_float32, stream_name))
    inlet = connected(pylsl.resolve_byprop("name", stream_name, timeout=60)[0])
    outlet.wait_for_consumers(60)
    for number in range(5):
        outlet.push_sample([number, number])
    samples, _ = inlet.pull_chunk(timeout=60, max_samples=1)
    assert samples[0][0] in (0, 1, 2, 3)  # LSL kept the latest two
    inlet.close_stream()
    del inlet
