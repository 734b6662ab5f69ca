from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.measures.decoding_scores import r_squared
from spikeloop.models.training import recurrent_decoder as recurrent
from spikeloop.models.training.recurrent_decoder import RecurrentConfig, RecurrentNetwork, fit_recurrent

TINY = RecurrentConfig(hidden=8, crop_bins=32, batch=16, steps=20, check_steps=5, rate=1e-2)


@pytest.fixture
def remembered(random) -> tuple[np.ndarray, np.ndarray]:
    """Counts of 3 units, and kinematics that a single bin says little of: leaky sums of them."""
    counts = random.poisson(1.0, (2400, 3)).astype(np.uint8)
    leaky = np.asarray(lfilter([1], [1, -0.9], counts - 1.0, axis=0))
    return counts, np.column_stack([leaky[:, 0] - leaky[:, 1], 50 + leaky[:, 2]])


def steps(network: RecurrentNetwork, counts: np.ndarray) -> np.ndarray:
    hidden, told = torch.zeros(1, network.hidden), []
    for row in torch.as_tensor(counts, dtype=torch.float32):
        kinematics, hidden = network(row[None], hidden)
        told.append(kinematics[0].numpy())
    return np.array(told)


def test_it_learns_what_only_memory_tells(remembered):
    counts, kinematics = remembered
    config = replace(TINY, hidden=16, steps=250, check_steps=25, dropout=0.0)
    network = fit_recurrent(counts[:2000], kinematics[:2000], config=config)
    design = np.column_stack([np.ones(400), counts[2000:]])
    of_one_bin = design @ np.linalg.lstsq(design, kinematics[2000:])[0]
    assert r_squared(kinematics[2000:], of_one_bin).max() < 0.3
    assert r_squared(kinematics[2000:], steps(network, counts[2000:])).min() > 0.9


def test_bin_by_bin_it_tells_what_it_tells_of_a_run(remembered):
    counts, kinematics = remembered
    network = fit_recurrent(counts, kinematics, config=TINY)
    seen = (torch.as_tensor(counts[:50], dtype=torch.float32) - network.mean) / network.scale
    whole = network.unroll(seen[None])[0] * network.spread + network.offset
    np.testing.assert_allclose(steps(network, counts[:50]), whole.numpy(), rtol=1e-5, atol=1e-5)


def test_the_seed_decides_and_nothing_else_is_touched(remembered):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    one, same, other = (fit_recurrent(*remembered, seed=seed, config=TINY).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["readout.weight"], other["readout.weight"])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_it_keeps_the_weights_that_did_best_on_what_is_held_out_and_stops_when_patience_ends(
    remembered, random, monkeypatch
):
    counts, _ = remembered
    noise = random.standard_normal((len(counts), 1))  # which can only be learned by heart
    looks, look = [], recurrent._error
    monkeypatch.setattr(recurrent, "_error", lambda *given: looks.append(look(*given)) or looks[-1])
    config = replace(TINY, steps=10_000, patience=4)
    network = fit_recurrent(counts, noise, config=config)
    held_out = slice(int(0.9 * len(counts)), None)
    seen = (torch.as_tensor(counts, dtype=torch.float32) - network.mean) / network.scale
    truth = (torch.as_tensor(noise, dtype=torch.float32) - network.offset) / network.spread
    assert len(looks) == int(np.argmin(looks)) + 1 + 4
    assert look(network, seen[held_out], truth[held_out]) == min(looks)


def test_silent_units_and_still_kinematics_do_no_harm(remembered):
    counts, kinematics = remembered
    counts[:, 1], kinematics[:, 0] = 0, 7.0
    told = steps(fit_recurrent(counts, kinematics, config=TINY), counts[:100])
    assert np.isfinite(told).all()
    assert np.abs(told[:, 0] - 7.0).max() < 2


def test_what_can_not_be_learned_from_is_refused(remembered):
    counts, kinematics = remembered
    with pytest.raises(BadInputError, match="expected 32 bins to train .* and 10% of all held out, found 30"):
        fit_recurrent(counts[:30], kinematics[:30], config=TINY)
    with pytest.raises(BadInputError, match="as many bins"):
        fit_recurrent(counts, kinematics[1:], config=TINY)
    with pytest.raises(BadInputError, match="expected finite kinematics"):
        fit_recurrent(counts, np.where(kinematics > 50, np.nan, kinematics), config=TINY)
    with pytest.raises(FailureError, match=r"diverged at step 5 \(error nan\)"):
        fit_recurrent(np.where(counts > 2, np.nan, counts), kinematics, config=TINY)
