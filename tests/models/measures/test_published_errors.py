import dataclasses

import numpy as np
import pytest

from spikeloop.models.measures.published_errors import PublishedErrors, published_errors
from spikeloop.models.recordings.simulated import correlated_groups


@pytest.fixture(scope="module")
def population():
    return correlated_groups(windows=120, window_bins=24, units=6, spike_probability=0.2, seed=1).counts


def autocorrelogram(windows: np.ndarray, most: int = 10) -> np.ndarray:
    """Of 0/1 counts, spike by spike, over the largest (which is lag 0), which is then left out."""
    counted = np.zeros(2 * most + 1)
    for window in windows:
        for train in window.T:
            padded = np.concatenate([np.zeros(most), train, np.zeros(most)])
            for spike in np.flatnonzero(padded):
                counted += padded[spike - most : spike + most + 1]
    counted /= counted.max()
    counted[most] = 0
    return counted


def as_published(windows: np.ndarray) -> dict[str, np.ndarray]:
    """The paper's procedure, one number after the other."""
    number, bins, units = windows.shape
    trains = np.concatenate([window.T for window in windows], axis=1).astype(float)  # (units, all bins)
    covariance = np.cov(trains)
    lagged = np.zeros((units, units))
    for i in range(units):
        for j in range(units):
            lagged[i, j] = np.cov(np.stack([trains[i, :-1], trains[j, 1:]]))[1, 0]
    return {
        "mean": np.mean([window.sum(axis=0) for window in windows], axis=0),
        "variance": np.diag(covariance),
        "covariance": np.where(np.eye(units), 0, covariance),
        "lag_covariance": lagged,
        "population_count": np.histogram(trains.sum(axis=0), bins=np.arange(units + 2) - 0.5)[0] / (bins * number),
        "autocorrelogram": autocorrelogram(windows),
        "time_course": sum(window.T.astype(float) for window in windows) / number,
    }


@pytest.mark.parametrize("bins", [24, 8])  # more and fewer than the autocorrelogram's lags
def test_errors_are_what_the_published_procedure_gives(population, bins):
    """Their lagged covariance takes each side's own mean, ours that of all bins: it differs by 1 / bins^2."""
    one, other = population[:50, :bins], population[50:, :bins]
    theirs, recorded = as_published(one), as_published(other)
    expected = {name: np.abs(theirs[name] - recorded[name]).sum() for name in theirs}
    found = dataclasses.asdict(published_errors(one, other))
    assert list(found) == list(expected)
    assert found.pop("lag_covariance") == pytest.approx(expected.pop("lag_covariance"), abs=36 * 2 / (50 * bins) ** 2)
    assert found == pytest.approx(expected)


def test_a_population_has_no_error_against_itself_and_the_same_either_way(population):
    assert published_errors(population, population) == PublishedErrors(0, 0, 0, 0, 0, 0, 0)
    one, other = population[:50], population[50:]
    assert published_errors(one, other) == published_errors(other, one)


def test_errors_of_counts_above_one_and_of_silence_are_finite(population):
    silent = np.zeros_like(population)
    errors = published_errors(silent, population * 3)
    assert np.isfinite(dataclasses.astuple(errors)).all()
    assert errors.mean == pytest.approx(3 * population.sum(axis=1).mean(axis=0).sum())
    assert errors.time_course == pytest.approx(3 * population.mean(axis=0).sum())
    assert errors.population_count == pytest.approx(2 * np.mean(population.any(axis=2)))


def test_a_single_unit_has_errors_too(population):
    alone = published_errors(population[:50, :, :1], population[50:, :, :1])
    assert alone.covariance == 0
    assert alone.variance > 0
