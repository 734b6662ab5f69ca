from dataclasses import asdict, replace

import numpy as np
import onnxruntime
import pytest

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.inference.bin_engine import BinEngine
from tests.support.tiny import HIDDEN, tiny_first_state, tiny_stream_bundle, tiny_stream_generator

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_stream_bundle(tmp_path_factory.mktemp("stream") / "tiny", channels=CHANNELS, slow=2)


def numbers(random: np.random.Generator, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Conditions, uniform and normal numbers."""
    conditions, normal = random.standard_normal((2, bins, 2), np.float32)
    return conditions, random.random((bins, 4), np.float32), normal


def test_counts_are_what_onnx_runtime_alone_computes_from_the_first_state_on(bundle, random):
    conditions, uniform, normal = numbers(random, 50)
    got = BinEngine(bundle, "cpu").run(conditions, uniform, normal)
    session = onnxruntime.InferenceSession(bundle.generator)
    state = tiny_first_state(4, 2)
    for bin_ in range(50):
        now = slice(bin_, bin_ + 1)
        taken = {"condition": conditions[now, None], "uniform": uniform[now, None], "normal": normal[now, None]}
        named = dict(zip((each.name for each in session.get_outputs()), session.run(None, taken | state), strict=True))
        state = {name: named[f"next_{name}"] for name in state}
        np.testing.assert_array_equal(got[now], np.asarray(named["counts"])[0])
    assert got.any()
    assert not got.all()


def test_a_run_that_fails_leaves_the_state_as_it_was(bundle, random):
    series = numbers(random, 40)
    whole = BinEngine(bundle, "cpu").run(*series)
    engine = BinEngine(bundle, "cpu")
    first = engine.run(*(each[:20] for each in series))
    conditions, uniform, normal = numbers(random, 3)
    conditions[1] = np.nan
    with pytest.raises(FailureError, match="gave NaN or infinity in its state 'hidden'; nothing"):
        engine.run(conditions, uniform, normal)
    with pytest.raises(FailureError, match="the generator failed"):
        engine.run(conditions[:, :1], uniform, normal)
    np.testing.assert_array_equal(np.concatenate([first, engine.run(*(each[20:] for each in series))]), whole)


@pytest.mark.parametrize(
    ("distribution", "broken", "message"),
    [
        ("bernoulli", {"bias": float("nan")}, "NaN or infinity in its state 'hidden'"),
        ("bernoulli", {"scale": -1}, "whole counts from 0 to 1, the generator gave -1"),
        ("bernoulli", {"scale": 2}, "whole counts from 0 to 1, the generator gave .* to 2"),
        ("counts", {"scale": -1}, "whole counts from 0 to 255, the generator gave -"),
        ("counts", {"scale": 128}, "whole counts from 0 to 255, the generator gave .* to [0-9]{3}"),
        ("counts", {"scale": 0.25}, "whole counts from 0 to 255, the generator gave"),
        ("counts", {"scale": float("nan")}, "the generator gave nan"),
        ("fluorescence", {"scale": -1}, "expected values from 0 .*the generator gave -"),
        ("fluorescence", {"scale": float("inf")}, "expected values from 0"),
        ("fluorescence", {"scale": float("nan")}, "the generator gave nan"),
    ],
)
def test_nothing_but_counts_comes_out(tmp_path, distribution, broken, message):
    """The zeros that a generator is tried with when loaded make every unit fire."""
    generator = tiny_stream_generator(4, distribution=distribution, **broken)
    bundle = tiny_stream_bundle(tmp_path / "broken", distribution=distribution, generator=generator)
    with pytest.raises(FailureError, match=f"{message}.*nothing of it was emitted"):
        BinEngine(bundle, "cpu")


@pytest.mark.parametrize("distribution", ["counts", "fluorescence"])
def test_what_is_sound_comes_out(tmp_path, random, distribution):
    bundle = tiny_stream_bundle(tmp_path / "tiny", distribution=distribution)
    nothing = np.empty((500, 0), np.float32)
    got = BinEngine(bundle, "cpu").run(nothing, random.random((500, 4), np.float32), nothing)
    assert got.max() > 1
    assert np.all(got % 1 == 0) == (distribution == "counts")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (
            {"uniform_size": 5},
            r"inputs .*uniform tensor\(float\) \['bins', 'batch', 5\].*found .*4\]",
        ),
        ({"normal_size": 3}, r"expected generator inputs .*normal tensor\(float\) \['bins', 'batch', 3\]"),
        ({"normal_size": 0}, "expected generator inputs .*found .*normal"),
        ({"conditions": ()}, "expected generator inputs .*found .*condition"),
        ({"conditions": (asdict(CHANNELS[0]),)}, r"expected generator inputs condition .*\['bins', 'batch', 1\]"),
        ({"unit_names": ("a", "b")}, r"expected generator outputs counts tensor\(float\) \['bins', 'batch', 2\]"),
        ({"state_tensors": ("hidden", "previous")}, "expected generator inputs .*found .*slow"),
        ({"state_tensors": ("hidden", "previous", "counts")}, "first state 'counts'.* found none"),
    ],
)
def test_a_generator_that_does_not_fit_its_card_is_told(bundle, card, message):
    with pytest.raises(BadInputError, match=message):
        BinEngine(replace(bundle, card=replace(bundle.card, **card)), "cpu")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (None, "first state 'hidden', finite, of shape \\(1, size\\), found none; get the bundle again"),
        (np.zeros(HIDDEN, np.float32), r"found one of shape \(6,\)"),
        (np.zeros((2, HIDDEN), np.float32), r"found one of shape \(2, 6\)"),
        (np.full((1, HIDDEN), np.inf), "expected the first state 'hidden', finite"),
        (np.full((1, HIDDEN), np.nan), "expected the first state 'hidden', finite"),
        (np.zeros((1, HIDDEN + 1), np.float32), r"expected generator inputs .*hidden tensor\(float\) \['batch', 7\]"),
    ],
)
def test_a_first_state_that_is_none_is_told(bundle, tensor, message):
    parameters = {name: value for name, value in bundle.parameters.items() if name != "hidden"}
    parameters |= {} if tensor is None else {"hidden": tensor}
    with pytest.raises(BadInputError, match=message):
        BinEngine(replace(bundle, parameters=parameters), "cpu")


def test_what_is_no_onnx_file_is_told(bundle):
    with pytest.raises(BadInputError, match="no model that ONNX Runtime can load"):
        BinEngine(replace(bundle, generator=b"not a model"), "cpu")


def test_warming_up_changes_nothing_of_what_follows(bundle, random):
    given = numbers(random, 20)
    warm, plain = BinEngine(bundle, "cpu"), BinEngine(bundle, "cpu")
    for bin_ in range(20):
        warm.warm_up()
        now = [each[bin_ : bin_ + 1] for each in given]
        np.testing.assert_array_equal(warm.run(*now), plain.run(*now))
