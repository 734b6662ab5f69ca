from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloop.models.families import causal_gan
from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.causal_generator import Noise, State
from spikeloop.models.families.causal_presets import PRESETS, VAE_GAN_PRESETS, VAE_PRESETS
from spikeloop.models.families.critic import critic_loss
from spikeloop.models.families.population import population_of
from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.families.vae_encoder import slow_latents
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts

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


def data_of(recording: Recording) -> TrainingData:
    return TrainingData(recording, torch.device("cpu"))


def learning(config, recording):
    """A model, and a function that takes a step and says which of its parts moved."""
    model = CausalGan(config, population_of(recording))
    optimizers, data, random = model.optimizers(), data_of(recording), torch.Generator().manual_seed(0)
    parts = {"generator": model.generator, "critic": model.critic} | (
        {"encoder": model.encoder} if model.encoder else {}
    )

    def moved(step):
        before = {name: [each.clone() for each in part.parameters()] for name, part in parts.items()}
        if step == config.likelihood_steps and config.adversarial:
            before["generator"] = [each.clone() for each in model.average.parameters()]
        assert np.isfinite(model.learn(step, data, optimizers, random))
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
    model = CausalGan(replace(SLOW, dropout=0.0, carried_share=0.0), population_of(recording))
    data = data_of(recording)

    def mean_negative_log_likelihood(weight):
        return model._negative_log_likelihood(data, weight, random_numbers.manual_seed(3)).item()

    assert mean_negative_log_likelihood(0.0) == mean_negative_log_likelihood(1.0)
    assert model.encoder is not None
    torch.nn.init.normal_(model.encoder.posterior_head.weight)
    first = model.generator.first_state(4, random_numbers.manual_seed(3))
    values, conditions = data.crops(4, 6, random_numbers)
    posterior = model.encoder(values)
    slow = slow_latents(posterior.sample(random_numbers), model.generator.persistence)
    likelihood = model.generator.log_likelihood(values, conditions, slow, 0.0, random_numbers, first)[0].mean().item()
    prior, unit = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(posterior.mean, posterior[1].exp())
    divergence = torch.distributions.kl_divergence(unit, prior).sum(-1).mean().item()
    assert mean_negative_log_likelihood(0.0) == pytest.approx(-likelihood, rel=1e-5)
    assert mean_negative_log_likelihood(0.5) == pytest.approx(0.5 * divergence - likelihood, rel=1e-5)


def test_draws_come_after_the_lead_in_and_answer_to_the_conditions_of_their_own_bins(recording, random_numbers):
    model = CausalGan(SMALL, population_of(recording))
    with torch.no_grad():
        model.average.direct_effects.weight.normal_(std=3.0)
    conditions = torch.zeros(200, 7, 1)
    one = model.draw(conditions, 4, random_numbers.manual_seed(1))
    assert one.shape == (200, 4, 2)
    other = model.draw(conditions + torch.eye(7)[6][:, None] * 20, 4, random_numbers.manual_seed(1))
    assert torch.equal(one[:, :3], other[:, :3])
    assert not torch.equal(one[:, 3], other[:, 3])


def running(model: CausalGan) -> State:
    return State(*(getattr(model, f"running_{name}") for name in State._fields))


@pytest.fixture
def runs(recording, random_numbers) -> CausalGan:
    """A model that has come to its second stage and is in the middle of four runs."""
    model = CausalGan(replace(SLOW, likelihood_steps=0), population_of(recording))
    with torch.no_grad():
        model.generator.emission_head.weight.normal_(std=3.0)  # spikes that depend on the state
        model.generator.first_hidden.normal_()
        model._keep("running", State(torch.randn(4, 8), torch.ones(4, 2), torch.randn(4, 2), torch.randn(4, 8)))
    return model


def test_the_likelihood_of_a_carried_crop_knows_the_bins_before_it(random, random_numbers):
    """Crop after crop is the likelihood of the whole; a crop that begins anew knows nothing of what came before."""
    recording = from_counts(random.random((40, 2)) < 0.4, 0.02)
    config = replace(SMALL, dropout=0.0, carried_share=1.0, likelihood_batch=1)
    model, data = CausalGan(config, population_of(recording)), data_of(recording)
    model.learned_places.zero_()
    with torch.no_grad():
        model._keep("learned", model.generator.first_state(1, random_numbers))
        losses = [model._negative_log_likelihood(data, 1.0, random_numbers).item() for _ in range(6)]
        values, conditions = data._segment(torch.zeros(1, 2, dtype=torch.long), 36)
        first = model.generator.first_state(1, random_numbers)
        slow = values.new_zeros(1, 36, 0)
        whole, _ = model.generator.log_likelihood(values, conditions, slow, 0.0, random_numbers, first)
        alone, _ = model.generator.log_likelihood(
            values[:, 6:12], conditions[:, 6:12], slow[:, :6], 0.0, random_numbers, first
        )
    assert losses == pytest.approx([-part.mean().item() for part in whole.split(6, dim=1)], rel=1e-5)
    assert losses[1] != pytest.approx(-alone.mean().item(), rel=1e-5)


def test_some_crops_begin_anew(recording, random_numbers):
    config = replace(SMALL, dropout=0.0, carried_share=0.5, likelihood_batch=400)
    model, data = CausalGan(config, population_of(recording)), data_of(recording)
    model._keep(
        "learned", State(torch.ones(400, 8), *(part for part in model.generator.first_state(400, random_numbers)[1:]))
    )
    _, state = model._next_crops(data, random_numbers)
    anew = (state.hidden == model.generator.first_hidden).all(1).float().mean().item()
    assert anew == pytest.approx(0.5, abs=0.1)


NO, YES = torch.zeros(4, 1, dtype=torch.bool), torch.ones(4, 1, dtype=torch.bool)
SOME = torch.tensor([[False], [True], [False], [True]])


@pytest.mark.parametrize("begins", [NO, SOME, YES])
def test_runs_go_on_from_the_state_they_were_left_in_but_for_those_that_begin(runs, random_numbers, begins):
    conditions = torch.randn(4, 9, 1)
    left = State(*(each.clone() for each in running(runs)))
    with torch.no_grad():
        windows = [runs._continue_runs(conditions[:, :4], begins, random_numbers)]
        windows.append(runs._continue_runs(conditions[:, 4:], NO, random_numbers))
        random_numbers.manual_seed(0)
        first, noise = runs.generator.first_state(4, random_numbers), [runs.generator.noise(4, 4, random_numbers)]
        runs.generator.first_state(4, random_numbers)  # wanted by none
        noise.append(runs.generator.noise(4, 5, random_numbers))
        begun = State(*(torch.where(begins, new, old) for new, old in zip(first, left, strict=True)))
        together = Noise(*(torch.cat(parts, 1) for parts in zip(*noise, strict=True)))
        expected, state = runs.generator(conditions, together, begun)  # both windows at once
    torch.testing.assert_close(torch.cat(windows, 1), expected)
    for found, wanted in zip(running(runs), state, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_run_that_begins_knows_nothing_of_the_one_before(runs, random_numbers):
    other, conditions = deepcopy(runs), torch.zeros(4, 4, 1)
    with torch.no_grad():
        for each in running(other):
            each.add_(5.0)
        windows = [model._continue_runs(conditions, SOME, random_numbers.manual_seed(1)) for model in (runs, other)]
    for one, another in (windows, *zip(running(runs), running(other), strict=True)):
        assert torch.equal(one[SOME[:, 0]], another[SOME[:, 0]])
    assert not torch.equal(runs.running_hidden[0], other.running_hidden[0])
    assert not torch.equal(runs.running_slow[2], other.running_slow[2])


@pytest.mark.parametrize(("begins", "reached"), [(NO, False), (SOME, True)])
def test_a_gradient_flows_through_a_window_and_not_to_what_came_before(runs, random_numbers, begins, reached):
    """The first state is learned by the runs that begin; a backward pass leaves nothing that the next would need."""
    conditions = torch.zeros(4, 4, 1)
    for _ in range(2):
        runs.generator.zero_grad(set_to_none=False)
        runs._continue_runs(conditions, begins, random_numbers).sum().backward()
        assert not any(each.requires_grad for each in running(runs))
        gradients = {name: each.grad for name, each in runs.generator.named_parameters()}
        assert gradients["emission_head.weight"].abs().sum() > 0
        assert gradients["recurrence.weight_hh_l0"].abs().sum() > 0
        assert bool(gradients["first_hidden"].abs().sum() > 0) == reached


def test_runs_are_driven_and_judged_where_they_are_in_the_recording(recording, monkeypatch):
    """Of ten bins and windows of four: a run begins, goes on, and begins elsewhere, as its real counterpart does."""
    model, moved = learning(replace(SMALL, likelihood_steps=0, critic_lead=2), recording)
    judged, driven = [], []

    def judge(critic, real, fake, penalty, random, conditions, share):
        judged.append((real, fake, conditions))
        return critic_loss(critic, real, fake, penalty, random, conditions, share)

    def go_on(conditions, begins, random):
        driven.append((conditions, begins))
        return CausalGan._continue_runs(model, conditions, begins, random)

    monkeypatch.setattr(causal_gan, "critic_loss", judge)
    monkeypatch.setattr(model, "_continue_runs", go_on)
    for step in range(6):
        last = model.places.clone()
        moved(step)
        (real, fake, conditions), (drives, begins) = judged[-1], driven[-1]
        assert torch.equal(conditions, drives)
        repeat, after = model.places.T
        for run in range(4):
            now = repeat[run], slice(after[run] - 4, after[run])
            np.testing.assert_array_equal(real[run], recording.counts[now])
            np.testing.assert_array_equal(conditions[run], recording.conditions[now])
            if step:
                assert begins[run] == (last[run, 1] + 4 > 10)
                assert begins[run] or model.places[run].tolist() == [last[run, 0], last[run, 1] + 4]
        assert torch.equal(running(model).previous, fake[:, -1].detach())
        assert not fake.requires_grad
    assert torch.stack([begins for _, begins in driven]).any()


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
    optimizers, data = model.optimizers(), data_of(recording)
    for step in range(150):
        model.learn(step, data, optimizers, random_numbers)
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
        assert both == replace(gan, slow_latents=both.slow_latents, divergence_steps=both.divergence_steps)
        assert vae == replace(both, adversarial=False)
