"""Classifier two-sample test: how well can model and recording be told apart, window by window?

Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017: train a classifier on some windows, and
let it sort the others. An area under the ROC curve (AUC) of 0.5 says that it found no difference. The classifier
is gradient boosting on features of a window that know of single units, bursts, and the population.
"""

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError, FailureError

__all__ = ["two_sample_auc", "window_features"]

FOLDS = 5
LAGS = (1, 2, 3)
POPULATION_LAGS = (1, 2, 3, 5, 8)


def two_sample_auc(
    one: NDArray[np.uint8], other: NDArray[np.uint8], random: np.random.Generator, folds: int = FOLDS
) -> float:
    """Cross-validated AUC of a classifier that tells two sets of windows apart; 0.5 where it can't.

    Parameters
    ----------
    one, other : arrays of shape (blocks, windows, bins, units)
        Blocks stay together: windows of one repeat are alike, and a classifier must not know some when it is
        tested on others. Windows that were drawn one by one are blocks of one.

    Raises
    ------
    BadInputError
        If either has fewer blocks than there are folds, or units differ.
    FailureError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise FailureError(
            "scikit-learn is not installed, which the two-sample test needs; pip install 'spikeloop[evaluate]'"
        ) from error
    if min(len(one), len(other)) < folds or one.shape[2:] != other.shape[2:]:
        raise BadInputError(
            f"expected at least {folds} blocks of windows of one shape, found {one.shape} and {other.shape}"
        )
    features = np.concatenate([window_features(each.reshape(-1, *each.shape[2:])) for each in (one, other)])
    fold = np.concatenate([np.repeat(random.permutation(len(each)) % folds, each.shape[1]) for each in (one, other)])
    truth = np.repeat([1, 0], [one.shape[0] * one.shape[1], other.shape[0] * other.shape[1]])
    aucs = []
    smallest_leaf = max(1, min(20, len(truth) // 100))
    for tested in range(folds):
        classifier = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=1.0,
            min_samples_leaf=smallest_leaf, random_state=0,
        )  # fmt: skip
        classifier.fit(features[fold != tested], truth[fold != tested])
        scores = classifier.predict_proba(features[fold == tested])[:, 1]
        aucs.append(roc_auc_score(truth[fold == tested], scores))  # by fold: scores of two classifiers don't compare
    return float(np.mean(aucs))


def window_features(windows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the classifier sees of each window, (windows, features).

    Of each unit its count, its isolated spikes and its products with itself at lags 1 to 3; of the population
    moments of its count, how many bins are silent or crowded, how many units fire never, once, twice or often,
    and its autocovariance.
    """
    spikes = windows.astype(np.float32)
    counts, population = spikes.sum(axis=1), spikes.sum(axis=2)
    fired = np.pad(windows > 0, ((0, 0), (1, 1), (0, 0)))
    isolated = (fired[:, 1:-1] & ~fired[:, :-2] & ~fired[:, 2:]).sum(axis=1)
    lags = [lag for lag in LAGS if lag < windows.shape[1]]
    products = [(spikes[:, lag:] * spikes[:, :-lag]).sum(axis=1) for lag in lags]
    centred = population - population.mean(axis=1, keepdims=True)
    autocovariance = [
        (centred[:, lag:] * centred[:, :-lag]).mean(axis=1) for lag in POPULATION_LAGS if lag < windows.shape[1]
    ]
    summary = [
        population.mean(axis=1),
        population.var(axis=1),
        population.max(axis=1),
        np.abs(np.diff(population, axis=1)).sum(axis=1),
        isolated.sum(axis=1),
        *((population == crowd).sum(axis=1) for crowd in (0, 1)),
        *((population >= crowd).sum(axis=1) for crowd in (5, 10)),
        *((counts == number).sum(axis=1) for number in (0, 1, 2)),
        (counts >= 5).sum(axis=1),
        *(product.sum(axis=1) for product in products),
        *autocovariance,
    ]
    return np.concatenate([counts, isolated, *products, np.stack(summary, axis=1)], axis=1, dtype=np.float32)
