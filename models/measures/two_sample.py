"""Classifier two-sample test: how well a classifier separates model and recording, window by window.

Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017: train a classifier on some windows, and
let it sort the others. An area under the ROC curve (AUC) of 0.5 says that it found no difference. The classifier
is gradient boosting on features of a window that know of single units, bursts, and the population.
"""

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Blocks, join_windows
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.packages import install_command

__all__ = ["require_classifier", "two_sample_auc", "window_features"]

FOLDS = 5
TREES = 150  # of the classifier
LAGS = (1, 2, 3)
POPULATION_LAGS = (1, 2, 3, 5, 8)


def require_classifier() -> None:
    """Raise FailureError where scikit-learn is not installed, and say what to install."""
    try:
        import_module("sklearn.ensemble")
    except ImportError as error:
        raise FailureError(
            f"scikit-learn is not installed, which the two-sample test needs; {install_command('evaluate')}"
        ) from error


def two_sample_auc(one: Blocks, other: Blocks, random: np.random.Generator, folds: int = FOLDS) -> float:
    """Cross-validated AUC of a classifier between two sets of windows; 0.5 where it can't separate them.

    Parameters
    ----------
    one, other : arrays of shape (blocks, windows, bins, units), or sequences of blocks
        Blocks stay together: windows of one repeat are alike, and a classifier must not be trained on some when it is
        tested on others. Windows that were drawn one by one are blocks of one.
    random : np.random.Generator
        Of the folds.
    folds : int >= 2

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    BadInputError
        If either has fewer blocks than there are folds, or units differ.
    FailureError
        If scikit-learn is not installed.
    """
    require_classifier()
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    if min(len(one), len(other)) < folds or one[0].shape[1:] != other[0].shape[1:]:
        raise BadInputError(
            f"expected at least {folds} blocks of windows of one shape, found {_shape(one)} and {_shape(other)}"
        )
    features = np.concatenate([window_features(join_windows(blocks)) for blocks in (one, other)])
    windows = [[len(block) for block in blocks] for blocks in (one, other)]
    fold = np.concatenate([np.repeat(random.permutation(len(sizes)) % folds, sizes) for sizes in windows])
    truth = np.repeat([1, 0], [sum(sizes) for sizes in windows])
    aucs = []
    smallest_leaf = max(1, min(20, len(truth) // 100))
    for tested in range(folds):
        classifier = HistGradientBoostingClassifier(
            max_iter=TREES, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=1.0,
            min_samples_leaf=smallest_leaf, random_state=0,
        )  # fmt: skip
        classifier.fit(features[fold != tested], truth[fold != tested])
        scores = classifier.predict_proba(features[fold == tested])[:, 1]
        aucs.append(roc_auc_score(truth[fold == tested], scores))  # by fold: scores of two classifiers don't compare
    return float(np.mean(aucs))


def _shape(blocks: Blocks) -> tuple[int, ...]:
    """Shape of blocks, with the most windows of a block where they differ."""
    return (len(blocks), max(map(len, blocks), default=0), *(blocks[0].shape[1:] if len(blocks) else ()))


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
