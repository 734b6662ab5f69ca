"""Ridge regression on the counts of a bin and those before it; with next to no penalty, the Wiener filter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import check_bin, fitted, standards_of
from spikeloop.models.errors import BadInputError

__all__ = ["PENALTIES", "WIENER_PENALTIES", "Regression", "RidgeDecoder", "fit_ridge"]

HISTORY_BINS = 10
FOLDS = 5  # contiguous: neighbouring bins are too alike to stand on both sides
PENALTIES = tuple(np.logspace(-4, 2, 13).tolist())  # per training bin, of standardised counts
WIENER_PENALTIES = (1e-9,)  # least squares; silent units and copies of units get no weight or share it


@dataclass(frozen=True, eq=False)
class Regression:
    """Kinematics as a weighted sum of counts.

    Attributes
    ----------
    mean : array of shape (units,)
        Of counts in training.
    weights : array of shape (history_bins, units, columns)
        Oldest bin first.
    intercept : array of shape (columns,)
    penalties : array of shape (columns,)
        As chosen, per training bin.
    """

    mean: Floats
    weights: Floats
    intercept: Floats
    penalties: Floats


class RidgeDecoder:
    """Linear decoder of bin t from the counts of bins t - history_bins + 1 to t.

    With `WIENER_PENALTIES` it is the Wiener filter of Carmena et al. (2003, PLoS Biol. 1:e42) and Glaser et al. (2020,
    eNeuro 7:ENEURO.0506-19.2020): ordinary least squares.

    Parameters
    ----------
    history_bins : int >= 1, default 10
    penalties : sequence of float > 0
        To choose from; per training bin, of standardised counts.

    Attributes
    ----------
    regression : Regression or None
        As fitted; None before.

    Raises
    ------
    BadInputError
        If there is no history, or no penalty above 0.
    """

    def __init__(self, history_bins: int = HISTORY_BINS, penalties: Sequence[float] = PENALTIES) -> None:
        if history_bins < 1 or not penalties or min(penalties) <= 0:
            raise BadInputError(
                f"expected history_bins of 1 or more and penalties above 0, found {history_bins} and {tuple(penalties)}"
            )
        self.history_bins, self.penalties = history_bins, tuple(penalties)
        self.regression: Regression | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Choose the penalty and regress; bins before the first are taken to hold the mean count."""
        found = self.regression = fit_ridge(counts, kinematics, self.history_bins, self.penalties)
        self._recent = np.tile(found.mean, self.history_bins)  # oldest bin first
        self._weights = found.weights.reshape(len(self._recent), -1)

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        regression = fitted(self.regression)
        units = len(regression.mean)
        check_bin(counts, units)
        self._recent[:-units] = self._recent[units:]
        self._recent[-units:] = counts
        return self._recent @ self._weights + regression.intercept


def fit_ridge(
    counts: Counts, kinematics: NDArray[np.floating], history_bins: int, penalties: Sequence[float]
) -> Regression:
    """Ridge regression of bin t from the counts of bins t - history_bins + 1 to t.

    The penalty is chosen for each column as the one of least squared error in cross-validation over contiguous blocks.

    Parameters
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)
    history_bins : int >= 1
    penalties : sequence of float > 0
        Per training bin, of standardised counts.

    Returns
    -------
    Regression

    Raises
    ------
    BadInputError
        If bins differ, or are fewer than the blocks' histories need, or kinematics aren't finite.
    """
    standards = standards_of(counts, kinematics)
    if len(counts) < FOLDS * (history_bins + 1):
        raise BadInputError(
            f"expected {FOLDS} blocks of more than {history_bins} bins (history_bins), found {len(counts)} bins;"
            " give more data or a shorter history"
        )
    histories = _histories((counts - standards.mean) / standards.scale, history_bins)
    targets = kinematics - standards.offset
    per_bin = np.array(penalties, np.float64)
    chosen = _cross_validated(histories, targets, per_bin)
    solutions = _solve(histories.T @ histories, histories.T @ targets, per_bin * len(targets))
    columns = np.arange(targets.shape[1])
    standard = solutions[chosen, :, columns].T.reshape(history_bins, -1, len(columns))
    weights = standard / standards.scale[:, np.newaxis]
    intercept = standards.offset - np.einsum("hui,u->i", weights, standards.mean)
    return Regression(standards.mean, weights, intercept, per_bin[chosen])


def _histories(standardised: Floats, history_bins: int) -> Floats:
    """Each bin and those before it, (bins, history_bins * units), oldest first."""
    padded = np.pad(standardised, ((history_bins - 1, 0), (0, 0)))
    return sliding_window_view(padded, history_bins, axis=0).swapaxes(1, 2).reshape(len(standardised), -1)


def _cross_validated(histories: Floats, targets: Floats, penalties: Floats) -> NDArray[np.intp]:
    """Which penalty errs least on blocks left out, (columns,)."""
    if len(penalties) == 1:
        return np.zeros(targets.shape[1], np.intp)
    blocks = list(zip(np.array_split(histories, FOLDS), np.array_split(targets, FOLDS), strict=True))
    squares = [(one.T @ one, one.T @ other) for one, other in blocks]
    gram, product = (np.sum(parts, axis=0) for parts in zip(*squares, strict=True))
    errors = np.zeros((len(penalties), targets.shape[1]))
    for (tested, truth), (own_gram, own_product) in zip(blocks, squares, strict=True):
        solutions = _solve(gram - own_gram, product - own_product, penalties * (len(targets) - len(truth)))
        errors += np.square(truth - tested @ solutions).sum(axis=1)
    return errors.argmin(axis=0)


def _solve(gram: Floats, product: Floats, penalties: Floats) -> Floats:
    """Weights (penalties, features, columns)."""
    values, vectors = np.linalg.eigh(gram)
    penalised = np.maximum(values, 0) + penalties[:, np.newaxis]
    return vectors @ ((vectors.T @ product) / penalised[..., np.newaxis])
