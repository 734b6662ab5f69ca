"""Simulated days: the chain of hashes does not depend on steps, and tells the first hour that differs."""

from dataclasses import replace

import numpy as np
import pytest

from tests.soak.days import HashChain, first_difference, simulate
from tests.support.tiny import tiny_stream_bundle

COUNTS = np.random.Generator(np.random.Philox(2)).integers(0, 4, (1000, 5), np.uint8)


def chain(counts, step_bins, block_bins=64):
    made = HashChain(block_bins)
    for first in range(0, len(counts), step_bins):
        made.add(counts[first : first + step_bins])
    made.end()
    return made.hashes


@pytest.mark.parametrize("step_bins", [1, 7, 64, 200, 1000])
def test_the_chain_is_the_same_however_bins_are_cut(step_bins):
    assert chain(COUNTS, step_bins) == chain(COUNTS, 13)
    assert len(chain(COUNTS, step_bins)) == 16


def test_a_count_that_differs_changes_its_hash_and_all_that_follow():
    other = COUNTS.copy()
    other[300, 2] += 1
    same = [one == two for one, two in zip(chain(COUNTS, 13), chain(other, 13), strict=True)]
    assert same == [True] * 4 + [False] * 12


def test_a_simulated_stream_has_the_same_bins_in_steps_of_any_length(tmp_path):
    tiny_stream_bundle(tmp_path / "tiny", bin_size_s=10.0)
    runs = [simulate(str(tmp_path / "tiny"), 4, step_bins, 0.1) for step_bins in (1, 31, 400)]
    assert first_difference(runs) is None
    assert all((run.bins, len(run.hashes), run.ratio, run.late_steps) == (864, 3, 1.0, 0) for run in runs)
    other = simulate(str(tmp_path / "tiny"), 5, 31, 0.1)
    assert first_difference([runs[0], other]) == 0


def test_the_first_hour_that_differs_is_found(tmp_path):
    tiny_stream_bundle(tmp_path / "tiny", bin_size_s=10.0)
    run = simulate(str(tmp_path / "tiny"), 4, 31, 0.1)
    assert first_difference([run, replace(run, hashes=[*run.hashes[:1], "other", run.hashes[2]])]) == 1
    assert first_difference([run, replace(run, hashes=run.hashes[:2])]) == 2
