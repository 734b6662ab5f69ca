import re
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.bundle_files import CRITIC_WEIGHTS
from spikeloop.exporters.export import _settled, bins_to_onnx, export_bundle
from spikeloop.exporters.graphs.torch_to_onnx import check_parity, to_onnx
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.causal_generator import Generator, GeneratorConfig, Noise, State
from spikeloop.models.families.causal_presets import CausalGanConfig
from spikeloop.models.families.population import population_of, population_of_description
from spikeloop.models.families.registry import Settings, load_gan_family
from spikeloop.models.families.registry import preset as named
from spikeloop.models.families.spike_gan import SpikeGan
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import phases, rest_of
from spikeloop.models.recordings.conditioning import with_conditions, with_phase
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.simulated import correlated_groups
from spikeloop.models.training.checkpoint import read_checkpoint, write_checkpoint
from spikeloop.models.training.run import Training
from spikeloop.models.training.saved_run import save_run
from spikeloop.models.training.trainer import train
from spikeloop.streamer.inference.runtime import open_graph
from spikeloop.streamer.stream.source import open_source
from tests.support.training import export_no_importance

FLOAT = TensorProto.FLOAT
LATENT_SIZE = 16 + 6 * 32  # numbers for the window, and for each unit and bin


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    config = replace(load_gan_family("spike_gan").presets["fast"], batch=8, features=8, latent_size=16)
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
    with pytest.MonkeyPatch.context() as patch:
        export_no_importance(patch)  # which `stream` has
        return export_bundle(trained[1], zipped)


def test_the_exported_generator_and_critic_compute_what_torch_does(trained, exported, random):
    run, _ = trained
    for content, module, shape in (
        (exported.generator, run.model.average, (LATENT_SIZE,)),
        (exported.critic, run.model.critic, (32, 6)),
    ):
        session = open_graph("mine", "graph", content, "cpu", {CRITIC_WEIGHTS: exported.critic_weights}).session
        for batch in (1, 3, 100):
            given = random.standard_normal((batch, *shape), np.float32)
            found = np.asarray(session.run(None, {session.get_inputs()[0].name: given})[0])
            with torch.no_grad():
                np.testing.assert_allclose(found, module(torch.from_numpy(given)).numpy(), rtol=1e-4, atol=1e-5)


def test_the_card_says_what_was_trained_on_what(trained, exported):
    card = exported.card
    assert (card.name, card.family, card.kind) == ("small", "spike_gan", "window")
    assert (card.window_bins, card.latent_size, card.bin_size_s) == (32, LATENT_SIZE, 0.001)
    assert card.training["recording"]["name"] == "correlated groups"
    assert card.training["steps"] == 5
    assert card.training["settings"]["seed"] == 0
    assert set(card.realism["statistics"]) == {each.statistic for each in trained[0].similarity}
    np.testing.assert_allclose(
        exported.reference["rates"], trained[0].validation.training.counts.mean(axis=(0, 1)), atol=1e-9
    )


def test_a_bundle_names_no_path_of_the_machine_it_was_made_on(exported):
    for content in (exported.generator, exported.critic):
        assert not re.search(rb"\.py|site-packages|/home/|/root/|/tmp/|/Users/", content)


def test_the_papers_layers_become_onnx_too():
    """Its fully connected generator, with its leaky output, and the critic of that, one behind the other."""
    config = replace(named("spike_gan", "fully_connected").config, leaky_output=True, hidden=16)
    model: Any = SpikeGan(config, population_of(spikes()))
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.1 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
    both = torch.nn.Sequential(model.generator, model.critic)
    to_onnx(both, {"latent": torch.zeros(2, config.latent_size)}, ("score",))  # checks parity


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
    given, score = (helper.make_tensor_value_info(name, FLOAT, ["batch", 4]) for name in ("windows", "score"))
    graph = helper.make_graph([helper.make_node("Identity", ["windows"], ["score"])], "same", [given], [score])
    opsets = [helper.make_opsetid("", 18)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    example = {"windows": torch.zeros(2, 4)}
    check_parity(torch.nn.Identity(), content, example)
    negative = torch.nn.LeakyReLU(2.0)  # other values where they are below 0
    with pytest.raises(FailureError, match="disagree on 1 of 1"):
        check_parity(negative, content, example)
    with pytest.raises(FailureError, match="disagree"):
        check_parity(negative, content, example, forks=1 / 16)  # a few may differ, not all
    check_parity(negative, content, example, forks=1.0)


def test_what_is_no_checkpoint_is_not_exported(tmp_path):
    with pytest.raises(BadInputError, match="no checkpoint"):
        export_bundle(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_exported_zip_reads_back(exported, zipped):
    assert load_bundle(zipped).sha256 == exported.sha256


def spikes(largest: int = 1) -> Recording:
    """60 repeats of 64 bins, 6 units."""
    recording = correlated_groups(windows=60, window_bins=64, units=6, spike_probability=0.2, seed=1)
    return replace(recording, counts=largest * recording.counts)


def driven(recording: Recording) -> Recording:
    """Driven by the phase of its repeats, and by a velocity."""
    random = np.random.Generator(np.random.Philox(7))
    phased = with_phase(recording)
    velocity = random.normal(5, 2, (recording.repeats, recording.bins, 1))
    both = with_conditions(
        recording, np.concatenate([phased.conditions, velocity], 2), ("phase", "velocity"), ("bin", "cm/s")
    )
    return replace(both, channels=(*phased.channels, both.channels[1]))


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """A model that takes and gives all that there is, and its bundle: counts, slow latents, a phase, a velocity."""
    sizes = {"features": 8, "batch": 8, "state_size": 16, "drive_size": 8}
    config = replace(load_gan_family("vae_gan").presets["fast"], **sizes)
    settings = Settings("vae_gan", "fast", config, calibrate_rates=False, lead_bins=5)
    run, folder = Training(driven(spikes(3)), settings, "cpu"), tmp_path_factory.mktemp("stream")
    with torch.no_grad():
        for each in run.model.average.parameters():
            each.add_(0.3 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
        run.model.calibration += torch.linspace(-1, 1, 6)
    save_run(run, folder)
    return run, export_bundle(folder, folder / "bundle", name="mine")


def noise_of(card, bins: int, seed: int) -> Noise:
    """The random numbers that a source takes."""
    uniform = random_stream(seed, Purpose.SPIKES).random((bins, card.uniform_size), np.float32)
    normal = random_stream(seed, Purpose.LATENTS).standard_normal((bins, card.normal_size), np.float32)
    return Noise(torch.from_numpy(uniform)[None], torch.from_numpy(normal)[None])


def first_state_of(bundle) -> State:
    return State(*(torch.from_numpy(bundle.parameters[name]) for name in State._fields))


def test_the_stream_of_a_bundle_is_what_torch_draws_from_the_same_noise(stream, random):
    run, bundle = stream
    bins, generator, found = 120, run.model.calibrated(), {}
    rest = np.tile(rest_of(run.population.channels), (bins, 1))
    moving = np.concatenate([phases(60, bins, 64), random.normal(5, 2, (bins, 1)).astype(np.float32)], 1)
    for name, conditions in (("rest", rest), ("moving", moving)):
        source = open_source(bundle, seed=4, device="cpu")
        given = [None, None] if name == "rest" else [conditions[:50], conditions[50:]]
        found[name] = np.concatenate([source.next(50, given[0]), source.next(bins - 50, given[1])])
        with torch.no_grad():
            driven_by, noise = torch.from_numpy(conditions)[None], noise_of(bundle.card, bins, 4)
            expected, _ = generator(driven_by, noise, first_state_of(bundle))
        np.testing.assert_array_equal(found[name], expected[0].numpy())
        assert (found[name].dtype, found[name].min()) == (np.uint8, 0)
        assert 1 < found[name].max() <= run.population.largest
    assert not np.array_equal(*found.values())


def test_the_card_of_a_stream_says_what_it_takes_and_gives(stream):
    run, bundle = stream
    card, generator = bundle.card, run.model.generator
    assert (card.name, card.kind, card.family, card.latent_size) == ("mine", "stream", "vae_gan", 0)
    assert (card.uniform_size, card.normal_size) == (generator.modes + 6, generator.slow_latents)
    assert card.state_tensors == ("hidden", "previous", "slow", "history")
    assert card.count_distribution == run.population.distribution == "counts"
    assert card.channels == run.population.channels
    assert card.latency_bins == 5
    assert bundle.critic


def test_a_critic_is_exported_with_its_conditions(stream, random):
    run, bundle = stream
    session = open_graph("mine", "graph", bundle.critic, "cpu", {CRITIC_WEIGHTS: bundle.critic_weights}).session
    windows = random.integers(0, 2, (3, 32, 6)).astype(np.float32)
    conditions = random.integers(0, 9, (3, 32, 2)).astype(np.float32)
    found = np.asarray(session.run(None, {"windows": windows, "conditions": conditions})[0])
    with torch.no_grad():
        expected = run.model.critic(torch.from_numpy(windows), torch.from_numpy(conditions))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_an_exported_phase_wraps(stream):
    bundle = stream[1]
    card = bundle.card
    session = onnxruntime.InferenceSession(bundle.generator, providers=["CPUExecutionProvider"])
    chance = {"uniform": np.full((1, 1, card.uniform_size), 0.5), "normal": np.zeros((1, 1, card.normal_size))}
    fixed = {name: value.astype(np.float32) for name, value in (chance | bundle.parameters).items()}

    def hidden(phase):
        given = {"condition": np.array([[[phase, 5]]], np.float32)}
        return np.asarray(session.run(["next_hidden"], given | fixed)[0])

    for phase, same, other in ((0, 64, 1), (0, -64, 63), (63, -1, 64)):
        np.testing.assert_array_equal(hidden(phase), hidden(same))
        assert not np.allclose(hidden(phase), hidden(other))


def test_the_critics_view_of_crowds_is_that_of_what_was_trained_on():
    """A checkpoint tells only the names of units; what was scaled by their means comes with its tensors."""
    config = replace(CausalGanConfig(), window_bins=16)
    described = {"name": "many", "unit_names": ["a", "b", "c"], "distribution": "counts", "largest": 90}
    empty = population_of_description(described)
    trained, loaded = (
        CausalGan(config, each) for each in (replace(empty, means=np.full(3, 30.0), deviations=np.full(3, 6.0)), empty)
    )
    loaded.load_state_dict(trained.state_dict())
    assert trained.critic.views is not None
    assert trained.critic.views.histogram_step == pytest.approx((90 + 5 * 90**0.5) / 20)
    windows = torch.full((2, 16, 3), 40.0)
    torch.testing.assert_close(loaded.critic(windows), trained.critic(windows))


@pytest.mark.parametrize(("fires_in", "fired"), [(63, 1), (0, 0), (62, 0)])
def test_a_stream_begins_after_the_end_of_a_stimulus(fires_in, fired):
    """A generator whose every spike follows from the phase: it fires in one alone."""
    population = population_of(with_phase(replace(spikes(), counts=spikes().counts[..., :1])))
    generator: Any = Generator(GeneratorConfig(state_size=4, modes=1, factors=1, drive_size=1), population)
    with torch.no_grad():
        for each in generator.parameters():
            each.zero_()
        generator.condition.tables[0].weight[fires_in] = 1.0
        generator.direct_factors.weight.fill_(1.0)
        generator.emission_head.weight.fill_(80.0)
        generator.emission_head.bias.fill_(-40.0)
    assert _settled(generator, population).previous == fired


def test_fluorescence_that_nothing_drives_becomes_onnx_too(random):
    """Without conditions and slow latents."""
    traces = random.gamma(1.0, 1.0, (4, 64, 3)).astype(np.float32)
    population = population_of(replace(spikes(), counts=traces, signal="fluorescence"))
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(state_size=4, modes=2, factors=2), population)
    content, first = bins_to_onnx(generator, population)  # checks parity
    assert {name: value.shape for name, value in first.items()} == {"hidden": (1, 4), "previous": (1, 3)}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == {"uniform", "hidden", "previous"}
    assert {each.name for each in session.get_outputs()} == {"counts", "next_hidden", "next_previous"}
