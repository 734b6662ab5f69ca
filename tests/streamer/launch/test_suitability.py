"""Which part of a recording a card says that the training left out."""

from dataclasses import replace

import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training.validation import describe_recording
from spikeloop.streamer.launch.suitability import held_out_of, held_out_part, stretches_of

RECORDING = correlated_groups(windows=20, window_bins=32, units=4)


def card(**settings):
    training = {"recording": describe_recording(RECORDING), "settings": settings}
    return replace(load_bundle("m1-sim").card, training=training)


@pytest.mark.parametrize(
    ("stated", "found"), [(5, 5), (0, 0), (1, None), (-3, None), ("5", None), (2.5, None), (True, None), ([5], None)]
)
def test_a_card_whose_hold_out_is_no_whole_number_says_nothing(stated, found):
    assert held_out_of(card(hold_out=stated), RECORDING) == found


@pytest.mark.parametrize(("stated", "found"), [(3, 3), (None, 1), (-3, 1), ("5", 1), (10**30, 10**30)])
def test_a_card_without_stretches_is_of_a_version_that_held_out_the_end(stated, found):
    assert stretches_of(card(held_out_stretches=stated)) == found
    assert stretches_of(card()) == 1


def test_small_shares_are_not_rounded_to_nothing():
    recording = replace(RECORDING, counts=RECORDING.counts.reshape(1, -1, 4))
    assert held_out_part(recording, 320) == "the last 0.312%"
