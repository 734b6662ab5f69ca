from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spikeloop.models.families.causal_generator import Generator, GeneratorConfig, Noise, State
from spikeloop.models.families.population import population_of
from spikeloop.models.recordings.condition import phase_condition
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import from_counts

SMALL = GeneratorConfig(state_size=8, modes=3, factors=4, drive_size=5)
SLOW = replace(SMALL, slow_latents=2, shortest_slow_bins=2.0, longest_slow_bins=20.0)
OWN = replace(SMALL, own_history=3, drives_units=True)
PERIOD = 7
DRAWS = 100_000


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture
def random_numbers():
    return torch.Generator().manual_seed(0)


def population(units=2, largest=1, driven=False):
    """Of units that fire 0 to `largest` spikes; driven by the phase of a stimulus and a velocity about 5."""
    random = np.random.Generator(np.random.Philox(0))
    counts = random.integers(0, largest + 1, (4, PERIOD, units))
    counts[0, 0] = largest
    recording = from_counts(counts, 0.02)
    if not driven:
        return population_of(recording)
    phase = np.tile(np.arange(PERIOD), (4, 1))
    values = np.stack([phase, random.normal(5, 2, phase.shape)], axis=2)
    described = population_of(with_conditions(recording, values, ("phase", "velocity"), ("bin", "cm/s")))
    return replace(described, channels=(phase_condition(PERIOD), described.channels[1]))


def lively(config=SMALL, **options) -> Any:
    """A generator that depends on everything it reads."""
    generator = Generator(config, population(**options))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return generator


def conditions_for(generator, windows, bins, random):
    phase = torch.randint(PERIOD, (windows, bins, 1), generator=random).float()
    velocity = 5 + 2 * torch.randn(windows, bins, 1, generator=random)
    return torch.cat([phase, velocity], 2)[..., : generator.channels]


class Run(NamedTuple):
    """Values, what they came from, and the state after them."""

    values: torch.Tensor
    conditions: torch.Tensor
    noise: Noise
    first: State
    last: State


def run(generator, windows, bins, random):
    conditions, noise = conditions_for(generator, windows, bins, random), generator.noise(windows, bins, random)
    first = generator.first_state(windows, random)
    values, state = generator(conditions, noise, first)
    return Run(values, conditions, noise, first, state)


def every_window(bins, units, largest=1):
    numbers = [float(count) for count in range(largest + 1)]
    return torch.tensor(list(product(numbers, repeat=bins * units))).reshape(-1, bins, units)


def likelihood(generator, values, conditions, slow=None):
    slow = values.new_zeros(*values.shape[:2], generator.slow_latents) if slow is None else slow
    first = generator.first_state(len(values), torch.Generator())
    return generator.log_likelihood(values, conditions, slow, 0.0, torch.Generator(), first)[0]


KINDS = [
    (SMALL, {}),
    (SMALL, {"driven": True}),
    (SLOW, {}),
    (SLOW, {"driven": True, "largest": 3}),
    (OWN, {"driven": True, "largest": 3}),
]


@pytest.mark.parametrize(("config", "options"), KINDS)
def test_the_likelihoods_of_all_windows_sum_to_one(random_numbers, config, options):
    """2 bins of 2 units have 16 windows of spikes, 256 of up to three spikes a bin."""
    generator = lively(config, **options)
    windows = every_window(2, 2, options.get("largest", 1))
    conditions = conditions_for(generator, 1, 2, random_numbers).expand(len(windows), -1, -1)
    slow = torch.randn(1, 2, generator.slow_latents, generator=random_numbers).expand(len(windows), -1, -1)
    assert likelihood(generator, windows, conditions, slow).sum(1).exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("config", "options"), [(SMALL, {}), (SMALL, {"driven": True, "largest": 3}), (OWN, {"driven": True, "largest": 3})]
)
def test_the_likelihood_of_a_bin_is_the_sum_over_its_modes_along_the_unroll(random_numbers, config, options):
    """Written out mode by mode and unit by unit with the recurrence by hand, on what the generator drew."""
    generator = lively(config, **options)
    values, conditions, _, state, _ = run(generator, 6, 5, random_numbers)
    expected = []
    for bin_ in range(5):
        drive = [generator.condition(conditions[:, bin_])] if generator.condition is not None else []
        given = torch.cat([generator.input_projection(generator.emission.seen(state.previous)), *drive], 1)
        hidden = generator._recur(given, state.hidden)
        total = torch.zeros(6)
        for mode in range(SMALL.modes):
            word = generator.factor_head(hidden)[:, mode * 2 : mode * 2 + 2]  # two units, so two factors
            word = word + generator.direct_factors(drive[0]) if generator.direct_factors is not None else word
            direct = generator.direct_effects(drive[0]) if generator.direct_effects is not None else 0
            own = generator.own_history.effect(state.history) if generator.own_history is not None else 0
            log_rates, chance = (
                generator.emission_head(word) + direct + own,
                torch.softmax(generator.mode_logits(hidden), 1)[:, mode],
            )
            for unit in range(2):
                weights = torch.zeros(2) if not options else generator.emission.weights[unit]
                scores = weights + log_rates[:, unit : unit + 1] * torch.arange(float(len(weights)))
                found = F.one_hot(values[:, bin_, unit].long(), len(weights))
                chance = chance * (torch.softmax(scores, 1) * found).sum(1)
            total = total + chance
        expected.append(torch.log(total))
        now = values[:, bin_]
        history = generator.own_history.after(state.history, now) if generator.own_history is not None else now[:, :0]
        state = State(hidden, now, state.slow, history)
    torch.testing.assert_close(likelihood(generator, values, conditions), torch.stack(expected, 1))


def test_windows_are_drawn_as_often_as_their_likelihood_says(random_numbers):
    generator = lively(driven=True)
    windows, one = every_window(2, 2), conditions_for(generator, 1, 2, random_numbers)
    with torch.no_grad():
        expected = likelihood(generator, windows, one.expand(16, -1, -1)).sum(1).exp()
        noise, first = generator.noise(DRAWS, 2, random_numbers), generator.first_state(DRAWS, random_numbers)
        drawn, _ = generator(one.expand(DRAWS, -1, -1), noise, first)
    code = (drawn.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(dim=1).long()
    found = torch.bincount(code, minlength=16) / len(drawn)
    torch.testing.assert_close(found, expected, atol=0.006, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("config", "options"), KINDS)
def test_any_cut_gives_the_same_bins_bit_for_bit(random_numbers, config, options):
    generator = lively(config, **options)
    whole, conditions, noise, first, last = run(generator, 3, 20, random_numbers)
    for cut in (1, 7, 19):
        parts, state = [], first
        for segment in (slice(0, cut), slice(cut, 20)):
            values, state = generator(conditions[:, segment], Noise(*(each[:, segment] for each in noise)), state)
            parts.append(values)
        assert torch.equal(torch.cat(parts, 1), whole)
        assert all(map(torch.equal, state, last))
    state = first
    for bin_ in range(20):
        one = slice(bin_, bin_ + 1)
        _, state = generator(conditions[:, one], Noise(*(each[:, one] for each in noise)), state)
        assert torch.equal(state.previous, whole[:, bin_])
    assert 0 < whole.mean() < options.get("largest", 1)


@torch.no_grad()
def test_slow_latents_are_stationary_with_their_time_constants(random_numbers):
    """Their covariance between bins s and t is persistence ** |s - t|, from the first bin on."""
    generator = lively(SLOW)
    state, slow = generator.first_state(20_000, random_numbers), []
    noise = generator.noise(20_000, 8, random_numbers)
    for bin_ in range(8):
        _, state = generator(torch.zeros(20_000, 1, 0), Noise(*(each[:, [bin_]] for each in noise)), state)
        slow.append(state.slow.numpy())
    apart = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    for latent, time_constant in enumerate((2.0, 20.0)):
        found = np.cov([each[:, latent] for each in slow])
        np.testing.assert_allclose(found, np.exp(-apart / time_constant), atol=0.04)


@pytest.mark.parametrize(("config", "options"), KINDS)
def test_soft_draws_are_the_very_counts_with_gradients_to_every_weight(random_numbers, config, options):
    generator = lively(config, **options)
    values, conditions, noise, first, _ = run(generator, 60, 6, random_numbers)
    soft, _ = generator.draw_softly(conditions, noise, first)
    torch.testing.assert_close(soft, values, atol=1e-5, rtol=0)
    (soft * torch.randn_like(soft)).sum().backward()
    without = [name for name, each in generator.named_parameters() if each.grad is None or not each.grad.any()]
    assert not without


@torch.no_grad()
@pytest.mark.parametrize(("config", "options"), KINDS)
def test_a_bin_never_depends_on_what_comes_later_and_does_on_what_drives_it(random_numbers, config, options):
    generator = lively(config, **options)
    one, conditions, noise, first, _ = run(generator, 100, 6, random_numbers)
    later = Noise(*(torch.cat([each[:, :3], each[:, 3:].flip(0)], 1) for each in noise))
    driven = torch.cat([conditions[:, :3], conditions[:, 3:].flip(0)], 1)
    for changed in ((conditions, later), (driven, noise)):
        two, _ = generator(*changed, first)
        assert torch.equal(one[:, :3], two[:, :3])
        changes = changed[1] is later or generator.channels > 0
        assert torch.equal(one[:, 3:], two[:, 3:]) != changes


@torch.no_grad()
def test_phases_wrap_and_other_conditions_count_in_their_deviations(random_numbers):
    generator = lively(driven=True)
    encode = generator.condition
    assert encode is not None
    values = conditions_for(generator, 3, 4, random_numbers)
    cycle = torch.tensor([float(PERIOD), 0.0])
    for turns in (-2, 1, 100):
        torch.testing.assert_close(encode(values + turns * cycle), encode(values), rtol=0, atol=0)
    assert not torch.allclose(encode(values + torch.tensor([1.0, 0.0])), encode(values))
    about = population(driven=True)
    moments = (torch.tensor(each[1]).float() for each in (about.condition_means, about.condition_deviations))
    expected = encode.tables[0](values[..., 0].long())
    mean, deviation = moments
    expected = expected + encode.out(torch.tanh(encode.hidden((values[..., 1:] - mean) / deviation)))
    torch.testing.assert_close(encode(values), expected)


@torch.no_grad()
def test_log_odds_shift_one_unit_in_every_mode(random_numbers):
    generator = lively(largest=3)
    before = run(generator, 5000, 2, random_numbers).values.mean(dim=(0, 1))
    generator.shift_log_odds(torch.tensor([-40.0, 0.0]))
    after = run(generator, 5000, 2, random_numbers).values.mean(dim=(0, 1))
    assert before[0] > 0.1
    assert after[0] == 0 < after[1]


@torch.no_grad()
def test_noise_at_its_very_ends_does_no_harm(random_numbers):
    for largest, ends in ((1, {0.0: 1, 1.0: 0}), (3, {0.0: 0, 1.0: 3})):
        generator = lively(largest=largest)
        for end, expected in ends.items():
            noise = Noise(torch.full((2, 4, 5), end), torch.zeros(2, 4, 0))
            values, state = generator(torch.zeros(2, 4, 0), noise, generator.first_state(2, random_numbers))
            assert torch.isfinite(state.hidden).all()
            assert torch.all(values == expected)


def test_dropout_hides_units_of_the_state_and_keeps_the_likelihood_near(random_numbers):
    generator = lively()
    values, conditions, *_ = run(generator, 200, 20, random_numbers)
    slow = values.new_zeros(200, 20, 0)
    with torch.no_grad():
        first = generator.first_state(200, random_numbers)
        exact, dropped, again = (
            generator.log_likelihood(values, conditions, slow, dropout, random_numbers, first)[0]
            for dropout in (0.0, 0.5, 0.5)
        )
    assert not torch.allclose(dropped, again)
    assert exact.mean() - 1 < dropped.mean() < exact.mean()
