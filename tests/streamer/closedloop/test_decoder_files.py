"""The table of decoders that load without a hand's turn: each with its score in the loop, or its one-line reason.

`pytest -s` prints it.
"""

import pytest

from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import SpikeloopError
from spikeloop.streamer.closedloop.closed_loop import closed_loop
from tests.support.decoder_exports import LOADED, REFUSED

TRIALS = 4


@pytest.mark.parametrize("name", LOADED)
def test_a_decoder_as_it_was_exported_moves_the_cursor_to_its_targets(name, tmp_path):
    text = LOADED[name](tmp_path)
    result = closed_loop({name: text}, trials=TRIALS, calibration_s=0, smoothing=0.5, seeds=1, in_process=True)
    found = result.decoders[name].closed_loop
    print(f"\n{name:40} {found.successes} of {found.trials}, {found.time_to_target_s.value:.2f} s")
    assert found.trials == TRIALS
    assert found.successes >= TRIALS - 1
    assert parse_decoder(text).runs_in == "any"


@pytest.mark.parametrize("name", REFUSED)
def test_one_that_leaves_something_open_says_in_a_line_what_settles_it(name, tmp_path):
    export, message = REFUSED[name]
    with pytest.raises(SpikeloopError, match=message) as caught:
        closed_loop({name: export(tmp_path)}, trials=1, calibration_s=0, in_process=True)
    print(f"\n{name:40} {caught.value}")
    assert "\n" not in str(caught.value)
