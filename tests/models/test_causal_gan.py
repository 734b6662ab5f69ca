from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.causal_gan import PRESETS, VAE_GAN_PRESETS, VAE_PRESETS, CausalGan
from spikeloop.models.population import population_of
from spikeloop.models.recordings.recording import Recording, from_counts, with_conditions
from spikeloop.models.vae import slow_latents

SMALL = replace(
    PRESETS["fast"],
    window_bins=4,
    lead_in_bins=3,
    crop_bins=6,
    state_size=8,
    modes=3,
    factors=4,
    drive_size=4,
    features=4,
    batch=4,
    likelihood_batch=4,
    likelihood_steps=2,
    critic_lead=1,
    divergence_steps=10,
    encoder_size=4,
)
SLOW = replace(SMALL, slow_latents=2)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def recording(random) -> Recording:
    """40 bins of two units, driven by noise."""
    counts = random.random((4, 10, 2)) < 0.4
    return with_conditions(from_counts(counts, 0.02), random.normal(5, 2, (4, 10, 1)), ("velocity",))


def crops_of(recording):
    """The first bins of its repeats, as far as they go."""
    counts = torch.from_numpy(recording.counts).float()
    conditions = torch.from_numpy(recording.conditions)

    def crops(windows: int, bins: int, lead_in_bins: int) -> tuple[torch.Tensor, torch.Tensor]:
        whole = lead_in_bins + bins
        return counts[:windows, lead_in_bins:whole], conditions[:windows, :whole]

    return crops


def learning(config, recording):
    """A model, and a function that takes a step and says which of its parts moved."""
    model = CausalGan(config, population_of(recording))
    optimizers, crops, random = model.optimizers(), crops_of(recording), torch.Generator().manual_seed(0)
    parts = {"generator": model.generator, "critic": model.critic} | (
        {"encoder": model.encoder} if model.encoder else {}
    )

    def moved(step):
        before = {name: [each.clone() for each in part.parameters()] for name, part in parts.items()}
        if step == config.likelihood_steps and config.adversarial:
            before["generator"] = [each.clone() for each in model.average.parameters()]
        assert np.isfinite(model.learn(step, crops, optimizers, random))
        return {
            name
            for name, part in parts.items()
            if any(not torch.equal(old, new) for old, new in zip(before[name], part.parameters(), strict=True))
        }

    return model, moved


@pytest.mark.parametrize(("config", "learned"), [(SMALL, {"generator"}), (SLOW, {"generator", "encoder"})])
def test_the_stages_follow_each_other(recording, config, learned):
    """Likelihood moves generator and encoder; then the critic leads; then all move."""
    model, moved = learning(config, recording)
    steps = [moved(step) for step in range(4)]
    assert steps == [learned, learned, {"critic"}, {"critic"} | learned]
    assert all(each.requires_grad for each in model.critic.parameters())
    assert not any(each.requires_grad for part in (model.average, model.first_stage) for each in part.parameters())


def test_an_autoencoder_alone_never_asks_its_critic(recording):
    model, moved = learning(replace(SLOW, adversarial=False), recording)
    assert [moved(step) for step in range(4)] == [{"generator", "encoder"}] * 4
    assert model.stages(4) == (1,)


def test_without_likelihood_beside_it_the_critic_alone_moves_the_generator(recording):
    _, moved = learning(replace(SLOW, likelihood_steps=0, critic_lead=0, likelihood_weight=0.0), recording)
    assert moved(1) == {"generator", "critic"}  # slow latents are drawn, not inferred


def test_the_first_stage_is_kept_as_it_ended(recording):
    model, moved = learning(SMALL, recording)
    for step in range(2):
        moved(step)
    ended = [each.clone() for each in model.average.parameters()]
    assert model.stages(2) == (1,)
    for step in range(2, 5):
        moved(step)
    assert model.stages(5) == (0, 1)
    assert all(map(torch.equal, ended, model.first_stage.parameters()))
    model.keep_stage(0)
    assert all(map(torch.equal, ended, model.calibrated().parameters()))
    model.keep_stage(1)
    assert not all(map(torch.equal, ended, model.calibrated().parameters()))


def test_the_bound_of_an_autoencoder_is_divergence_less_likelihood(recording, random_numbers):
    """At the prior the divergence is 0 whatever its weight; away from it, the loss is linear in its weight."""
    model = CausalGan(replace(SLOW, dropout=0.0), population_of(recording))
    crops = crops_of(recording)

    def surprise(weight):
        return model._surprise(crops, weight, random_numbers.manual_seed(3)).item()

    assert surprise(0.0) == surprise(1.0)
    assert model.encoder is not None
    torch.nn.init.normal_(model.encoder.infer.weight)
    values, conditions = crops(4, 6, 0)
    posterior = model.encoder(values)
    slow = slow_latents(posterior.sample(random_numbers.manual_seed(3)), model.generator.persistence)
    likelihood = model.generator.log_likelihood(values, conditions, slow, 0.0, random_numbers).mean().item()
    prior, unit = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(posterior.mean, posterior[1].exp())
    divergence = torch.distributions.kl_divergence(unit, prior).sum(-1).mean().item()
    assert surprise(0.0) == pytest.approx(-likelihood, rel=1e-5)
    assert surprise(0.5) == pytest.approx(0.5 * divergence - likelihood, rel=1e-5)


def test_draws_come_after_the_lead_in_and_answer_to_the_conditions_of_their_own_bins(recording, random_numbers):
    model = CausalGan(SMALL, population_of(recording))
    with torch.no_grad():
        model.average.say_directly.weight.normal_(std=3.0)
    conditions = torch.zeros(200, 7, 1)
    one = model.draw(conditions, 4, random_numbers.manual_seed(1))
    assert one.shape == (200, 4, 2)
    other = model.draw(conditions + torch.eye(7)[6][:, None] * 20, 4, random_numbers.manual_seed(1))
    assert torch.equal(one[:, :3], other[:, :3])
    assert not torch.equal(one[:, 3], other[:, 3])


def test_windows_for_the_critic_follow_a_lead_in_without_gradients(recording, random_numbers):
    model = CausalGan(SMALL, population_of(recording))
    conditions = torch.zeros(5, 7, 1)
    fakes = [model._fake_windows(conditions, random_numbers.manual_seed(1), follows) for follows in (False, True)]
    assert [each.shape for each in fakes] == [(5, 4, 2)] * 2
    assert [each.requires_grad for each in fakes] == [False, True]
    drawn = model.draw(conditions, 4, random_numbers.manual_seed(1))  # nothing was learned: the average is the same
    for fake in fakes:
        torch.testing.assert_close(fake.detach(), drawn)
    alone = model._fake_windows(conditions[:, :4], random_numbers, True)  # where a recording is too short for a lead-in
    assert alone.shape == (5, 4, 2)


def test_the_critic_judges_windows_together_with_their_conditions(recording):
    model = CausalGan(SMALL, population_of(recording))
    windows = torch.from_numpy(recording.counts[:, :4]).float()
    with torch.no_grad():
        scores = [model.critic(windows, torch.full((4, 4, 1), velocity)) for velocity in (0.0, 9.0)]
    assert not torch.allclose(*scores)
    bare = replace(recording, driven_by=None, channels=())
    assert CausalGan(SMALL, population_of(bare)).critic.projection is None


def test_likelihood_learns_a_burst_that_rates_do_not_tell(random_numbers):
    """Unit 0 fires in all six bins of half of the windows: after the first bin, all is known."""
    counts = np.zeros((64, 6, 2), np.uint8)
    counts[::2, :, 0] = 1
    counts[5, 0, 1] = 1
    recording = from_counts(counts, 0.02)
    config = replace(SMALL, dropout=0.0, likelihood_rate=3e-2, likelihood_steps=150, likelihood_batch=64)
    model = CausalGan(config, population_of(recording))
    optimizers = model.optimizers()
    for step in range(150):
        model.learn(step, crops_of(recording), optimizers, random_numbers)
    with torch.no_grad():
        noise, first = model.generator.noise(1000, 6, random_numbers), model.generator.first_state(1000, random_numbers)
        drawn = model.generator(torch.zeros(1000, 6, 0), noise, first)[0][:, :, 0].sum(1)
    assert ((drawn == 0) | (drawn == 6)).float().mean() > 0.95
    assert 0.35 < (drawn == 6).float().mean() < 0.65


@pytest.mark.parametrize("config", [SMALL, SLOW])
def test_counts_and_fluorescence_are_learned_in_both_stages(recording, random, config):
    decaying = np.cumsum(0.5 ** np.arange(10)[:, np.newaxis] * random.random((4, 10, 2)), axis=1).astype(np.float32)
    decaying[:, :2] = 0  # before the first transient
    imaged = replace(recording, counts=decaying, signal="fluorescence")
    for learned in (replace(recording, counts=random.poisson(2, (4, 10, 2)).astype(np.uint8)), imaged):
        model, moved = learning(config, learned)
        assert [len(moved(step)) for step in range(4)] == ([1, 1, 1, 2] if config is SMALL else [2, 2, 1, 3])
        drawn = model.draw(torch.zeros(100, 7, 1), 4, torch.Generator().manual_seed(0))
        assert torch.isfinite(drawn).all()
        assert 0 == drawn.min() < drawn.max()
        assert (drawn.max() <= learned.counts.max()) or learned is imaged


def test_presets_differ_in_what_their_names_say():
    for name in PRESETS:
        gan, vae, both = (presets[name] for presets in (PRESETS, VAE_PRESETS, VAE_GAN_PRESETS))
        assert (gan.slow_latents, gan.adversarial) == (0, True)
        assert both.slow_latents > 0
        assert both == replace(gan, slow_latents=both.slow_latents)
        assert vae == replace(both, adversarial=False)
