import pytest

from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.spec import KINDS, DecoderSpec, decoder_specs, describe_kinds, parse_decoder
from spikeloop.models.errors import BadInputError
from tests.support.bad_values import Opaque


class Own:
    def fit(self, counts, kinematics): ...

    def step(self, counts): ...


@pytest.mark.parametrize(
    ("text", "kind", "argument", "history_bins", "needs_calibration", "runs_in"),
    [
        ("kalman", "kalman", "", None, True, "any"),
        ("ridge", "ridge", "", None, True, "any"),
        ("ridge:20", "ridge", "20", 20, True, "any"),
        ("recurrent", "recurrent", "", None, True, "any"),
        ("onnx:a:b.onnx", "onnx", "a:b.onnx", None, False, "any"),
        ("nets/best.onnx?history=5", "onnx", "nets/best.onnx?history=5", None, False, "any"),
        ("C:\\nets\\best.PT2", "torch", "C:\\nets\\best.PT2", None, False, "any"),
        ("fitted.skops", "skops", "fitted.skops", None, False, "any"),
        ("python:own.py:Class", "python", "own.py:Class", None, False, "any"),
        ("sklearn:linear_model.Ridge", "sklearn", "linear_model.Ridge", None, True, "any"),
        ("lsl:STREAM", "lsl", "STREAM", None, False, "real time"),
        ("oracle", "oracle", "", None, False, "closed loop"),
    ],
)
def test_a_text_is_parsed_into_what_it_names(text, kind, argument, history_bins, needs_calibration, runs_in):
    expected = DecoderSpec(text, kind, text, argument, history_bins, needs_calibration, runs_in)
    assert parse_decoder(text) == expected


@pytest.mark.parametrize(
    "text", ["", "Kalman", "kalman:", "kalman:3", "ridge:", "onnx", "onnx:", "python", "sklearn:", "lsl", "oracle:x"]
)
def test_a_text_that_names_no_decoder_is_refused_with_what_does(text):
    with pytest.raises(
        BadInputError, match="--decoder: expected kalman, .*oracle, ridge:BINS.*onnx:FILE.*lsl:STREAM; found"
    ):
        parse_decoder(text)


def test_a_stream_needs_a_name():
    with pytest.raises(BadInputError, match="expected the name of a stream after lsl:, found none"):
        parse_decoder("lsl:")


def test_every_kind_is_described():
    assert all(name in describe_kinds() for name in KINDS)


def test_texts_and_classes_go_by_their_own_names_and_a_dict_gives_others():
    assert list(decoder_specs("ridge:3")) == ["ridge:3"]
    assert list(decoder_specs(["kalman", Own])) == ["kalman", "Own"]
    named = decoder_specs({"filter": "kalman", "mine": Own})
    assert (named["filter"].name, named["filter"].text, named["mine"].kind) == ("filter", "kalman", "object")


def test_each_session_has_a_copy_of_an_Opaque():
    (spec,) = decoder_specs([decoder := KalmanDecoder()]).values()
    assert spec.factory is not None
    one, other = spec.factory(), spec.factory()
    assert type(one) is type(other) is KalmanDecoder
    assert len({id(decoder), id(one), id(other)}) == 3


@pytest.mark.parametrize("decoders", [(), {}, ["kalman", "kalman"], [Own, Own]])
def test_decoders_are_there_and_differ(decoders):
    with pytest.raises(BadInputError, match="expected different decoders"):
        decoder_specs(decoders)


@pytest.mark.parametrize("decoder", [3, None, Opaque()])
def test_what_is_no_decoder_is_refused(decoder):
    with pytest.raises(BadInputError, match="expected the text of a decoder, or a class"):
        decoder_specs({"mine": decoder})
