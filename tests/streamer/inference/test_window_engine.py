import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from spikeloop.exporters.bundle import write_bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.runtime import CPU, CUDA
from spikeloop.streamer.inference.window_engine import Engine
from tests.support.tiny import tiny_bundle, tiny_card, tiny_generator


def test_probabilities_are_what_onnx_runtime_alone_computes(bundle, random):
    latent = random.standard_normal((5, 8), np.float32)
    engine = Engine(bundle, "cpu")
    (expected,) = onnxruntime.InferenceSession(bundle.generator).run(None, {"latent": latent})
    np.testing.assert_array_equal(engine.run(latent), expected)
    assert engine.provider == CPU
    assert engine.notice == ""
    assert engine.inference_s > 0


def test_results_of_earlier_runs_are_not_overwritten(bundle, random):
    engine = Engine(bundle, "cpu")
    first = engine.run(random.standard_normal((2, 8), np.float32))
    kept = first.copy()
    engine.run(random.standard_normal((2, 8), np.float32))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("card", "generator", "message"),
    [
        (
            {"latent_size": 9},
            {},
            r"expected generator inputs latent tensor\(float\) \['windows', 9\], found latent .*8",
        ),
        ({"window_bins": 64}, {}, r"expected generator outputs .*64, 4\], found .*32, 4"),
        ({"unit_names": ("a", "b")}, {}, r"expected generator outputs .*32, 2\], found .*32, 4"),
        ({}, {"input_name": "noise"}, "expected generator inputs latent .*found noise"),
    ],
)
def test_a_generator_that_does_not_fit_its_card_is_told(tmp_path, card, generator, message):
    content = tiny_generator(4, **generator)
    bundle = write_bundle(tmp_path / "odd", replace(tiny_card(4), **card), content, b"", {"rates": np.zeros(4)})
    with pytest.raises(BadInputError, match=message):
        Engine(bundle, "cpu")


def test_weights_outside_the_bundle_are_not_read_however_they_are_spelled(tmp_path, monkeypatch):
    """Other encodings of the same entry would pass a search for its bytes, which is switched off here."""
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    model = onnx.load_from_string(tiny_generator(4))
    onnx.save(model, "model.onnx", save_as_external_data=True, location="secret", size_threshold=100)
    hostile = (outside / "model.onnx").read_bytes()
    assert (outside / "secret").is_file()
    assert onnxruntime.InferenceSession(hostile)  # it would be read
    monkeypatch.setattr("spikeloop.exporters.bundle.EXTERNAL_LOCATION", b"never found")
    bundle = tiny_bundle(tmp_path / "hostile", units=4, generator=hostile)
    with pytest.raises(BadInputError, match="no model that ONNX Runtime can load"):
        Engine(bundle, "cpu")


def test_what_is_no_onnx_file_is_told(tmp_path):
    bundle = tiny_bundle(tmp_path / "odd", units=4, generator=b"not a model")
    with pytest.raises(BadInputError, match="no model that ONNX Runtime can load"):
        Engine(bundle, "cpu")


def test_a_model_that_gives_nan_is_stopped(tmp_path):
    bundle = tiny_bundle(tmp_path / "nan", units=4, generator=tiny_generator(4, bias=float("nan")))
    with pytest.raises(FailureError, match="expected spike probabilities from 0 to 1, the generator gave nan"):
        Engine(bundle, "cpu")


def test_a_failing_run_and_an_output_of_another_shape_are_told(bundle):
    with pytest.raises(FailureError, match="the generator failed"):
        Engine(bundle, "cpu").run(np.zeros((1, 9), np.float32))
    engine = Engine(bundle, "cpu")
    engine.card = replace(engine.card, window_bins=64)  # as if the ONNX file had left its shape open
    with pytest.raises(BadInputError, match=r"expected an output of shape \(1, 64, 96\).*gives \(1, 32, 96\)"):
        engine.run(np.zeros((1, 8), np.float32))


def test_a_missing_onnx_runtime_is_told(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        FailureError, match='pip install "onnxruntime>.* with an NVIDIA GPU pip install "onnxruntime-gpu>'
    ):
        Engine(bundle, "cpu")


def test_nan_that_appears_later_is_stopped_too(bundle):
    engine = Engine(bundle, "cpu")
    with pytest.raises(FailureError, match="nothing of it was emitted"):
        engine.run(np.full((1, 8), np.nan, np.float32))


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_cuda_where_there_is_none_is_refused_and_auto_falls_back(bundle):
    with pytest.raises(BadInputError, match="--device cuda: this ONNX Runtime has only"):
        Engine(bundle, "cuda")
    assert Engine(bundle, "auto").provider == CPU


@pytest.mark.parametrize("raises", [True, False])
def test_cuda_that_can_not_start_gives_one_line_and_the_cpu(bundle, monkeypatch, capsys, raises):
    """ONNX Runtime lists CUDA, but the session comes up on the CPU: only the session's word counts."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    real = onnxruntime.InferenceSession

    def session(model, options, providers, **rest):
        assert rest == {"enable_fallback": 0}  # it would print to stdout, where only JSON belongs
        if CUDA in providers and raises:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        return real(model, options, [CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    engine = Engine(bundle, "auto")
    assert engine.provider == CPU
    assert capsys.readouterr().out == ""
    assert "running on the CPU" in engine.notice
    assert "\n" not in engine.notice
    with pytest.raises(BadInputError, match="CUDA could not be started"):
        Engine(bundle, "cuda")


@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="needs ONNX Runtime with CUDA and a GPU")
def test_on_a_gpu_probabilities_are_the_cpus_to_rounding(bundle, random):
    latent = random.standard_normal((64, 8), np.float32)
    engine = Engine(bundle, "cuda")
    assert engine.provider == CUDA
    np.testing.assert_allclose(engine.run(latent), Engine(bundle, "cpu").run(latent), atol=1e-3)
