import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.onnx import bins_to_onnx, check_parity, export_bundle, to_onnx
from spikeloop.models.causal_generator import Generator, GeneratorConfig, Noise, State
from spikeloop.models.checkpoint import read_checkpoint, write_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families import FAMILIES, Settings
from spikeloop.models.families import preset as named
from spikeloop.models.population import population_of
from spikeloop.models.recordings.condition import phases, rest_of
from spikeloop.models.recordings.recording import Recording, with_conditions, with_phase
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training import Training, train
from spikeloop.streamer.source import LATENT, SPIKES, open_source, seeded


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = replace(FAMILIES["spike_gan"][2]["fast"], batch=8, features=8, latent_size=16)
    recording = correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.1, seed=1)
    run = Training(recording, Settings("spike_gan", "fast", config, calibrate_rates=False), "cpu")
    folder = tmp_path_factory.mktemp("trained")
    train(run, folder, None, steps=5)
    return run, folder


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    return tmp_path_factory.mktemp("exported") / "small.zip"


@pytest.fixture(scope="module")
def exported(trained, zipped):
    return export_bundle(trained[1], zipped)


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
    example = {"windows": torch.zeros(2, 4)}
    content = to_onnx(module, example, ("score",))
    module.factor = 2.0
    with pytest.raises(FailureError, match="disagree on 1 of 1"):
        check_parity(module, content, example)
    with pytest.raises(FailureError, match="disagree"):
        check_parity(module, content, example, forks=1 / 16)  # a few may differ, not all
    check_parity(module, content, example, forks=1.0)


def test_what_is_no_checkpoint_is_not_exported(tmp_path):
    with pytest.raises(BadInputError, match="no checkpoint"):
        export_bundle(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_exported_zip_reads_back(exported, zipped):
    assert read_bundle(zipped).sha256 == exported.sha256


def spikes(largest: int = 1) -> Recording:
    """60 repeats of 64 bins, 6 units."""
    recording = correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.2, seed=1)
    return replace(recording, counts=largest * recording.counts)


def with_velocity(recording: Recording) -> Recording:
    random = np.random.Generator(np.random.Philox(7))
    velocity = random.normal(5, 2, (recording.repeats, recording.bins, 2))
    return with_conditions(recording, velocity, ("velocity x", "velocity y"), ("cm/s", "cm/s"))


FAMILIES_AND_DATA = {
    "causal_gan": (spikes(), 0),
    "vae": (with_velocity(spikes(3)), 5),
    "vae_gan": (with_phase(spikes()), 0),
}


@pytest.fixture(scope="module", params=FAMILIES_AND_DATA)
def stream(request, tmp_path_factory):
    """A family's trained model and its bundle."""
    recording, lead_bins = FAMILIES_AND_DATA[request.param]
    sizes = {"features": 8, "batch": 8, "state_size": 16, "drive_size": 8, "likelihood_steps": 3, "critic_lead": 0}
    config = replace(FAMILIES[request.param][2]["fast"], **sizes)
    settings = Settings(request.param, "fast", config, calibrate_rates=False, lead_bins=lead_bins)
    run, folder = Training(recording, settings, "cpu"), tmp_path_factory.mktemp(request.param)
    with torch.no_grad():
        for each in run.model.average.parameters():
            each.add_(0.3 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
        run.model.calibration += torch.linspace(-1, 1, 6)
    run.save(folder)
    return run, export_bundle(folder, folder / "bundle", name="mine")


def noise_of(card, bins: int, seed: int) -> Noise:
    """The random numbers that a source takes."""
    uniform = seeded(seed, SPIKES).random((bins, card.uniform_size), np.float32)
    normal = seeded(seed, LATENT).standard_normal((bins, card.normal_size), np.float32)
    return Noise(torch.from_numpy(uniform)[None], torch.from_numpy(normal)[None])


def first_state_of(bundle, generator: Generator) -> State:
    sizes = {"hidden": 16, "previous": generator.units, "slow": generator.slow_latents}
    return State(*(torch.from_numpy(bundle.parameters.get(name, np.zeros((1, 0)))) for name in sizes))


def test_the_stream_of_a_bundle_is_what_torch_draws_from_the_same_noise(stream, random):
    run, bundle = stream
    channels, bins = run.population.channels, 120
    rest = np.tile(rest_of(channels), (bins, 1))
    drives = {"phase": phases(60, bins, 64)} if channels and channels[0].cyclic else {}
    drives |= {"velocity": random.normal(5, 2, (bins, 2)).astype(np.float32)} if len(channels) == 2 else {}
    generator, found = run.model.calibrated(), {}
    for name, conditions in ({"rest": rest} | drives).items():
        source = open_source(bundle, seed=4, device="cpu")
        given = [None, None] if name == "rest" else [conditions[:50], conditions[50:]]
        found[name] = np.concatenate([source.take(50, given[0]), source.take(bins - 50, given[1])])
        with torch.no_grad():
            driven, noise = torch.from_numpy(conditions)[None], noise_of(bundle.card, bins, 4)
            expected, _ = generator(driven, noise, first_state_of(bundle, generator))
        np.testing.assert_array_equal(found[name], expected[0].numpy())
        assert (found[name].dtype, found[name].min()) == (np.uint8, 0)
        assert 0 < found[name].max() <= run.population.largest
    assert len({each.tobytes() for each in found.values()}) == 1 + len(drives)


def test_the_card_of_a_stream_says_what_it_takes_and_gives(stream):
    run, bundle = stream
    card, generator = bundle.card, run.model.generator
    assert (card.name, card.kind, card.family, card.latent_size) == ("mine", "stream", run.settings.family, 0)
    assert (card.uniform_size, card.normal_size) == (generator.modes + 6, generator.slow_latents)
    assert card.state_tensors == (("hidden", "previous", "slow") if generator.slow_latents else ("hidden", "previous"))
    assert card.count_distribution == run.population.distribution
    assert card.channels == run.population.channels
    assert card.latency_bins == run.settings.lead_bins
    assert bundle.critic


def test_a_critic_is_exported_with_its_conditions(stream, random):
    run, bundle = stream
    session = onnxruntime.InferenceSession(bundle.critic, providers=["CPUExecutionProvider"])
    given = [random.integers(0, 2, (3, 32, 6)).astype(np.float32)]
    if run.population.channels:
        given.append(random.integers(0, 9, (3, 32, len(run.population.channels))).astype(np.float32))
    assert len(session.get_inputs()) == len(given)
    found = np.asarray(
        session.run(None, {each.name: one for each, one in zip(session.get_inputs(), given, strict=True)})
    )
    with torch.no_grad():
        np.testing.assert_allclose(found[0], run.model.critic(*map(torch.from_numpy, given)), rtol=1e-4, atol=1e-4)


def test_an_exported_phase_begins_after_the_end_of_a_stimulus_and_wraps():
    """A generator whose every spike follows from the phase: it fires in phase 0 alone."""
    population = population_of(with_phase(replace(spikes(), counts=spikes().counts[..., :1])))
    generator: Any = Generator(GeneratorConfig(state_size=4, modes=1, factors=1, drive_size=1), population)
    with torch.no_grad():
        for each in generator.parameters():
            each.zero_()
        generator.condition.tables[0].weight[0] = 1.0
        generator.say_directly.weight.fill_(1.0)
        generator.emit.weight.fill_(80.0)
        generator.emit.bias.fill_(-40.0)
    content, first = bins_to_onnx(generator, population)
    assert first["previous"] == 0  # phase 63 came last
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for phase, expected in ((0, 1), (1, 0), (63, 0), (64, 1), (-64, 1), (-1, 0)):
        given = {"condition": np.full((1, 1), phase, np.float32), "uniform": np.full((1, 2), 0.5, np.float32)}
        counts, *_ = session.run(None, given | first)
        assert counts == expected


def test_fluorescence_becomes_onnx_too(random):
    counts = random.gamma(1.0, 1.0, (4, 64, 3)).astype(np.float32)
    population = population_of(replace(spikes(), counts=counts, signal="fluorescence"))
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(state_size=4, modes=2, factors=2), population)
    content, first = bins_to_onnx(generator, population)  # checks parity
    assert first["previous"].shape == (1, 3)
    assert onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).get_outputs()[0].name == "counts"
