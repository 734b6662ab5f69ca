"""Any regressor of scikit-learn as a decoder."""

import importlib
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.call_text import parse_call
from spikeloop.models.decoders.decoder import check_bin, fitted, standards_of
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command

__all__ = ["RegressorDecoder", "open_regressor"]

SKLEARN_SEEDS = 2**32  # what NumPy's older generators take


class RegressorDecoder:
    """A scikit-learn regressor of kinematics on the standardised counts of a bin and those before it.

    Parameters
    ----------
    estimator : takes histories (bins, features) and kinematics (bins, columns)
    history_bins : int >= 1; bins before the first are taken to hold the mean count
    """

    def __init__(self, estimator: Any, history_bins: int) -> None:
        self.estimator, self.history_bins = estimator, history_bins
        self._recent: Floats | None = None  # (units, history_bins), oldest bin first

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the estimator."""
        standards = standards_of(counts, kinematics)
        self._mean, self._scale = standards.mean, standards.scale
        padded = np.pad((counts - self._mean) / self._scale, ((self.history_bins - 1, 0), (0, 0)))
        histories = sliding_window_view(padded, self.history_bins, axis=0)  # (bins, units, history_bins)
        self.estimator.fit(histories.reshape(len(counts), -1), kinematics)
        self._recent = np.zeros(histories.shape[1:])

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        recent = fitted(self._recent)
        check_bin(counts, len(recent))
        recent[:, :-1] = recent[:, 1:]
        recent[:, -1] = (counts - self._mean) / self._scale
        return self.estimator.predict(recent.reshape(1, -1))[0]


def open_regressor(text: str, name: str, seed: int, history_bins: int) -> RegressorDecoder:
    """Make a decoder of the regressor of scikit-learn that is named, for any number of columns.

    Parameters
    ----------
    text : str
        As the user gave it, for messages.
    name : str
        Such as `linear_model.Ridge`, with its defaults, or `linear_model.Ridge(alpha=10)`.
    seed : int
        Of regressors that draw.
    history_bins : int >= 1
        That the regressor sees, each bin and those before it.

    Raises
    ------
    BadInputError
        If it is no regressor, or can't be made with these arguments.
    FailureError
        If scikit-learn is not installed.
    """
    try:
        with hold_interrupts():
            from sklearn.base import RegressorMixin
            from sklearn.multioutput import MultiOutputRegressor
            from sklearn.utils import get_tags
    except ImportError as error:
        raise FailureError(
            f"--decoder {text}: needs scikit-learn 1.6 or later ({error}); {install_command('evaluate')}"
        ) from error
    call = parse_call(name, f"--decoder {text}")
    path, _, attribute = call.name.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"sklearn.{path}"), attribute)
    except (ImportError, AttributeError):
        found = None
    if not (isinstance(found, type) and issubclass(found, RegressorMixin)):
        raise BadInputError(
            f"--decoder {text}: expected a regressor of scikit-learn, such as sklearn:linear_model.Ridge; found"
            f" {'none of that name' if found is None else repr(found)}"
        )
    try:
        estimator: Any = found(*call.args, **call.kwargs)
    except TypeError as error:
        how = "with these" if call.args or call.kwargs else "without"
        raise BadInputError(
            f"--decoder {text}: can't be made {how} arguments ({error}); make it in a function of your own, with"
            " python:FILE.py:NAME"
        ) from error
    if "random_state" in estimator.get_params() and "random_state" not in call.kwargs:
        estimator.set_params(random_state=seed % SKLEARN_SEEDS)
    of_all_columns = get_tags(estimator).target_tags.multi_output
    return RegressorDecoder(estimator if of_all_columns else MultiOutputRegressor(estimator), history_bins)
