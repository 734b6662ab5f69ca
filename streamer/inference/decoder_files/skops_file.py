"""Fitted estimators of scikit-learn in skops files, which hold no pickles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command
from spikeloop.streamer.inference.decoder_files.content import entries_of, read_content
from spikeloop.streamer.inference.decoder_files.file_decoder import AS_STORED, FileDecoder
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.model import Array, Tensor
from spikeloop.streamer.inference.runtime import first_line

__all__ = ["open_skops"]

COUNTS, VELOCITY = "counts", "velocity"


def open_skops(file: Path, units: int, options: FileOptions = AS_STORED) -> FileDecoder:
    """Open a fitted regressor in a skops file.

    It takes the counts of a bin, or those of several bins in a row, as they are: what standardises them is part of it.

    Parameters
    ----------
    file : Path
    units : int
        Of the stream.
    options : FileOptions, optional

    Raises
    ------
    BadInputError
        If it is no such file, holds types that skops doesn't trust, or isn't fitted on so many units.
    FailureError
        If skops or scikit-learn is not installed, or the estimator fails on a bin without spikes.
    """
    content, name = read_content(file), f"skops:{file}"
    try:
        with hold_interrupts():
            from skops.io import get_untrusted_types, loads
    except ImportError as error:
        raise FailureError(f"{name}: needs skops ({error}); {install_command('skops')}") from error
    try:
        entries_of(content)
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}") from error
    try:
        untrusted = get_untrusted_types(data=content)
        estimator = None if untrusted else loads(content)
    except Exception as error:  # of a damaged file, anything
        raise BadInputError(
            f"{name}: expected a file that skops wrote, found one that it can't load ({first_line(error)}); write it"
            " with skops.io.dump"
        ) from error
    if untrusted:
        raise BadInputError(
            f"{name}: expected types of NumPy, SciPy and scikit-learn, found {', '.join(untrusted):.200}; load it in a"
            " function of your own, with python:FILE.py:NAME"
        )
    return FileDecoder(name, _Estimator(name, estimator), units, options)


class _Estimator:
    """A fitted estimator, as a model."""

    output_names = (VELOCITY,)

    def __init__(self, name: str, estimator: Any) -> None:
        features = getattr(estimator, "n_features_in_", None)
        if not callable(getattr(estimator, "predict", None)) or not isinstance(features, int):
            raise BadInputError(
                f"{name}: expected a fitted regressor, found {type(estimator).__name__}"
                f"{'' if features is None else ' without predict'}; fit it before skops.io.dump"
            )
        self.inputs = [Tensor(COUNTS, (None, features), np.dtype(np.float64))]
        self._estimator = estimator

    def begin(self) -> None:
        """Do nothing: a fitted estimator keeps nothing."""

    def run(self, given: Mapping[str, Array]) -> Sequence[Array]:
        return [np.asarray(self._estimator.predict(given[COUNTS]))]
