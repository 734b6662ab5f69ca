import re
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.onnx import check_parity, export_bundle, to_onnx
from spikeloop.models.checkpoint import read_checkpoint, write_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families import FAMILIES, Settings
from spikeloop.models.families import preset as named
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training import Training, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = replace(FAMILIES["spike_gan"][2]["fast"], batch=8, features=8, latent_size=16)
    recording = correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)
    run = Training(recording, Settings("spike_gan", "fast", config, calibrate_rates=False), "cpu")
    folder = tmp_path_factory.mktemp("trained")
    train(run, folder, None, steps=5)
    return run, folder


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export_bundle(trained[1], tmp_path_factory.mktemp("exported") / "small")


def test_the_exported_generator_and_critic_compute_what_torch_does(trained, exported, random):
    run, _ = trained
    for content, module, shape in (
        (exported.generator, run.model.average, (16,)),
        (exported.critic, run.model.critic, (32, 6)),
    ):
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for batch in (1, 3, 100):
            given = random.standard_normal((batch, *shape), np.float32)
            found = np.asarray(session.run(None, {session.get_inputs()[0].name: given})[0])
            with torch.no_grad():
                np.testing.assert_allclose(found, module(torch.from_numpy(given)).numpy(), rtol=1e-4, atol=1e-5)


def test_the_card_says_what_was_trained_on_what(trained, exported):
    card = exported.card
    assert (card.name, card.family, card.kind) == ("small", "spike_gan", "window")
    assert (card.window_bins, card.latent_size, card.bin_size_s) == (32, 16, 0.001)
    assert card.training["recording"]["name"] == "correlated groups"
    assert card.training["steps"] == 5
    assert card.training["settings"]["seed"] == 0
    assert set(card.realism["statistics"]) == {each.statistic for each in trained[0].likeness}
    np.testing.assert_allclose(
        exported.reference["rates"], trained[0].examination.training.counts.mean(axis=(0, 1)), atol=1e-9
    )


def test_a_bundle_names_no_path_of_the_machine_it_was_made_on(exported):
    for content in (exported.generator, exported.critic):
        assert not re.search(rb"\.py|site-packages|/home/|/root/|/tmp/|/Users/", content)


@pytest.mark.parametrize("preset", ["paper", "fully_connected"])
def test_the_papers_models_train_and_export_too(preset, tmp_path):
    recording = correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)
    run = Training(recording, named("spike_gan", preset), "cpu")
    train(run, tmp_path / "run", None, steps=1)
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")  # checks parity
    assert bundle.card.training["settings"]["preset"] == preset
    assert bundle.critic


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("family", "gan", "unknown family 'gan'; there are causal_gan"),
        ("config", {"betas": [0, 1], "depth": 9}, "not those of this version's spike_gan"),
    ],
)
def test_checkpoints_of_other_versions_are_told(trained, tmp_path, entry, value, message):
    tensors, description = read_checkpoint(trained[1])
    settings = description["settings"] | {entry: value}
    write_checkpoint(tmp_path, tensors, description | {"settings": settings})
    with pytest.raises(BadInputError, match=message):
        export_bundle(tmp_path, tmp_path / "out")


def test_an_export_that_differs_is_refused():
    class Doubled(torch.nn.Module):
        factor = 1.0

        def forward(self, windows):
            return windows * self.factor

    module = Doubled()
    content = to_onnx(module, torch.zeros(2, 4), "windows", "score")
    module.factor = 2.0
    with pytest.raises(FailureError, match="disagree on 1 of 1"):
        check_parity(module, content, (4,))


def test_what_is_no_checkpoint_is_not_exported(tmp_path):
    with pytest.raises(BadInputError, match="no checkpoint"):
        export_bundle(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_exported_zip_reads_back(trained, tmp_path):
    written = export_bundle(trained[1], tmp_path / "small.zip", name="another")
    assert read_bundle(tmp_path / "small.zip").sha256 == written.sha256
    assert written.card.name == "another"
