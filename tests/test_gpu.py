"""What runs on a GPU gives what the CPU gives, to rounding; `make gpu` runs these. Skipped where there is none."""

import numpy as np
import onnxruntime
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.importance.maps import exact_importance
from spikeloop.models.importance.summary import agreement
from spikeloop.streamer.inference.bin_engine import BinEngine
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.inference.runtime import CUDA

pytestmark = pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="needs an NVIDIA GPU")

SAME = 0.999  # of counts; where rounding decides between two of them, the bins after it differ a little too


@pytest.mark.parametrize("name", ["retina", "m1-sim"])
def test_bins_in_a_scan_are_those_of_the_cpu(name, random):
    bundle = load_bundle(name)
    card, bins = bundle.card, 200
    given = (
        np.zeros((bins, len(card.conditions)), np.float32),
        random.random((bins, card.uniform_size), np.float32),
        random.standard_normal((bins, card.normal_size), np.float32),
    )
    engine = BinEngine(bundle, "cuda")
    assert engine.provider == CUDA
    assert (engine.run(*given) == BinEngine(bundle, "cpu").run(*given)).mean() > SAME


def test_bins_on_a_gpu_are_the_same_however_they_are_cut_into_calls(random):
    bundle = load_bundle("retina")
    card = bundle.card
    given = np.zeros((60, 0), np.float32), random.random((60, card.uniform_size), np.float32)
    normal = random.standard_normal((60, card.normal_size), np.float32)
    whole, parts = BinEngine(bundle, "cuda"), BinEngine(bundle, "cuda")
    cut = [parts.run(*(each[part] for each in (*given, normal))) for part in (slice(0, 7), slice(7, 60))]
    np.testing.assert_array_equal(whole.run(*given, normal), np.concatenate(cut))


def test_inputs_and_outputs_can_stay_on_the_device(tmp_path):
    from benchmarks.gpu import one_bin
    from benchmarks.random_bundle import write_random_bundle

    write_random_bundle(tmp_path / "six", 6)
    ways = one_bin(load_bundle(tmp_path / "six"), "cuda")
    assert float(ways["its graph alone, bound"]) > 0


def test_maps_by_a_critic_on_a_gpu_are_those_of_the_cpu(random):
    bundle = load_bundle("retina")
    windows = (random.random((2, 32, 50)) < 0.04).astype(np.uint8)
    on_gpu, on_cpu = (exact_importance(windows, Critic(bundle, device), random).maps for device in ("cuda", "cpu"))
    assert agreement(on_gpu, on_cpu, windows).correlation > SAME


def test_training_runs_on_a_gpu(tmp_path):
    import torch

    from spikeloop.__main__ import main

    if not torch.cuda.is_available():
        pytest.skip("this PyTorch sees no GPU")
    steps = ["train", "--data", "simulated", "--steps", "2", "--device", "cuda", "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(steps)
    assert not ended.value.code
