"""Values of options: whatever a person or a script types is accepted, or refused in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.__main__ import main
from spikeloop.exporters.formats.choices import Choices
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.closedloop.days.profiles import parse_profile
from spikeloop.streamer.closedloop.experiment.perturbations import parse_perturbation
from spikeloop.streamer.closedloop.experiment.user_spec import parse_user
from spikeloop.streamer.conditions.opening import open_feed
from spikeloop.streamer.inference.decoder_files.file_text import parse_file
from spikeloop.streamer.lsl.stream_query import StreamQuery
from spikeloop.streamer.mqtt.address import parse_address
from tests.support.fuzzing import fuzzed, refusal

CHANNELS = (Condition("velocity x", "cm/s", -50.0, 50.0), Condition("velocity y", "cm/s", -50.0, 50.0))
WORDS = st.sampled_from(
    ["kalman", "wiener:3", "onnx:", "python:", "lsl:", "mqtt://", "mqtts://u@h:1", "phase:", "rest", "scripted:",
     "adapting:", "gain:", "lost:", "file:", "?source_id=", "&host=", ":", "=", ",", "(", ")", "[", "%", "@", "#", "/",
     "1e999", "-1", "nan", "9" * 400, "0-9", "9-0", "\0", "\x1b[31m", "\ud800", "é", "１"]
)  # fmt: skip
TEXTS = st.one_of(st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=5).map("".join), st.text(max_size=30))
PARSERS = {
    "--decoder": parse_decoder,
    "--user": parse_user,
    "--perturb": parse_perturbation,
    "--drift": parse_profile,
    "--condition": lambda text: open_feed(text, CHANNELS),
    "--mqtt": lambda text: parse_address(text, {}),
    "a decoder's file": parse_file,
    "a stream": StreamQuery.parse,
    "--units": lambda text: Choices.checked(units=text),
    "--trials": lambda text: Choices.checked(trials=text),
    "--time-unit": lambda text: Choices.checked(time_unit=text),
    "--axes": lambda text: Choices.checked(axes=text),
}


@fuzzed(250)
@given(st.sampled_from(sorted(PARSERS)), TEXTS)
def test_texts_that_are_parsed(option, text):
    if option == "--condition" and text.startswith(("file:", "lsl:", "mqtt")):
        return  # which look for what they name
    refusal(lambda: PARSERS[option](text))


@fuzzed(15)
@given(st.sampled_from(["--seed", "--duration", "--windows", "--condition", "--device", "--engine"]), TEXTS)
def test_options_of_a_command(option, text):
    """None of these begins work: the bundle is not there."""
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "no such bundle", f"{option}={text}", "--out", "spikes.npz"])
    assert stopped.value.code == 2
