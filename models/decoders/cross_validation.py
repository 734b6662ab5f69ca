"""How well decoders decode a recording, and how well a model's counts train them for recorded ones.

Train on synthetic, test on real (Esteban et al. 2017): a decoder that learned from a model's counts decodes real
ones as well as one that learned from real counts, if counts and kinematics are related in the model as in the
recording.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.decoder import Decoder, decode
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.ridge import RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding_scores import Decodable, correlation, r_squared
from spikeloop.models.measures.falcon_scores import variance_weighted_r_squared

__all__ = [
    "CrossValidation",
    "DecoderComparison",
    "compare_decoders",
    "cross_validate",
    "score_segments",
    "score_session",
]

MakeDecoder = Callable[[], Decoder]

DECODERS: dict[str, MakeDecoder] = {"ridge": RidgeDecoder, "Kalman": KalmanDecoder}


@dataclass(frozen=True)
class DecoderComparison:
    """R2 on real test data of one decoder and column of the kinematics.

    Attributes
    ----------
    decoder : str
    column : int
    real, synthetic : float
        R2 after training on real and on synthetic data.
    """

    decoder: str
    column: int
    real: float
    synthetic: float

    @property
    def ratio(self) -> float:
        """Synthetic / real: 1 where synthetic data teach as much; NaN where real data teach nothing."""
        return self.synthetic / self.real if self.real > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """How well a decoder decodes held-out data.

    Attributes
    ----------
    r_squared, correlation : arrays of shape (folds, columns)
        NaN of a column that never varies in a fold.
    kinematics, decoded : arrays of shape (bins, columns)
        What was judged, of one fold after another, and what it was decoded as.
    variance_weighted : tuple of float
        R2 of all columns together, of each fold.
    """

    r_squared: Floats
    correlation: Floats
    kinematics: NDArray[np.floating]
    decoded: Floats
    variance_weighted: tuple[float, ...] = ()


def compare_decoders(
    real_training: Decodable, synthetic_training: Decodable, real_test: Decodable
) -> tuple[DecoderComparison, ...]:
    """R2 on real data of decoders that learned from real and from synthetic data.

    Parameters
    ----------
    real_training, synthetic_training : Decodable
        A model's data cost nothing, so there may be more of them.
    real_test : Decodable
        Of the same units and columns, not in either.

    Returns
    -------
    tuple of DecoderComparison

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few bins.
    """
    rows = []
    for name, make in DECODERS.items():
        real, synthetic = (
            r_squared(real_test.kinematics, _decoded(make, training, real_test))
            for training in (real_training, synthetic_training)
        )
        rows += [
            DecoderComparison(name, column, float(one), float(other))
            for column, (one, other) in enumerate(zip(real, synthetic, strict=True))
        ]
    return tuple(rows)


def cross_validate(make: MakeDecoder, data: Decodable, folds: int = 5, width: int = 1) -> CrossValidation:
    """Hold out each of several contiguous segments in turn, and decode it by a new decoder fitted on the others.

    The segments on either side of the one held out are joined for the fit: at that seam a history reaches back across
    it, and dynamics see one step that was none. One seam among thousands of bins weighs little.

    Parameters
    ----------
    make : callable () -> Decoder
    data : Decodable
    folds : int >= 2, default 5
    width : int >= 1, bins, default 1
        See `score_segments`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    BadInputError
        If bins differ, or are too few for the folds or the decoder.
    """
    if not 2 <= folds <= len(data.counts) // width or len(data.counts) != len(data.kinematics):
        raise BadInputError(
            f"expected 2 folds or more, and as many bins of counts and kinematics, found {folds} folds,"
            f" {data.counts.shape} and {data.kinematics.shape}"
        )
    used = Decodable(*(values[: len(values) // width * width] for values in (data.counts, data.kinematics)))
    segments = _segments(len(used.counts), folds, width)
    decoded = np.concatenate([_decoded(make, *_without(used, segment), width) for segment in segments])
    return _scored(used.kinematics, decoded, segments)


def score_segments(
    make: MakeDecoder, training: Decodable, test: Decodable, segments: int = 5, width: int = 1
) -> CrossValidation:
    """Fit once, decode the test data from beginning to end, and score each of several contiguous segments of them.

    A decoder of wider bins is fitted on counts summed, and kinematics averaged, over runs of bins; what it decodes
    from a run is held over that same run, and compared with the kinematics of every bin. So decoders of any width are
    judged by the same kinematics, without the delay that waiting for a run to be full costs in a closed loop
    (Cunningham et al. 2011, J. Neurophysiol. 105:1932).

    Parameters
    ----------
    make : callable () -> Decoder
    training : Decodable
    test : Decodable
        Of the same units and columns, not in the training data.
    segments : int >= 2, default 5
        In place of folds.
    width : int >= 1, bins, default 1
        Of a run; bins left over at the end are left out.

    Returns
    -------
    CrossValidation

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few bins.
    """
    if not 2 <= segments <= len(test.counts) // width:
        raise BadInputError(
            f"expected 2 segments or more of {len(test.counts) // width} bins of test data, found {segments}"
        )
    decoded = _decoded(make, training, test, width)
    return _scored(test.kinematics[: len(decoded)], decoded, _segments(len(decoded), segments, width))


def score_session(make: MakeDecoder, training: Decodable, session: Decodable, width: int = 1) -> float:
    """Fit once, decode another session from beginning to end, and score it by variance-weighted R2.

    Parameters
    ----------
    make : callable () -> Decoder
    training, session : Decodable
        Of the same units and columns.
    width : int >= 1, bins, default 1
        See `score_segments`.

    Returns
    -------
    float

    Raises
    ------
    BadInputError
        If units or columns differ, or there are too few bins.
    """
    decoded = _decoded(make, training, session, width)
    return variance_weighted_r_squared(session.kinematics[: len(decoded)], decoded)


def _segments(bins: int, segments: int, width: int) -> list[NDArray[np.intp]]:
    """Bins of each of several contiguous segments, of whole runs."""
    return [runs.ravel() for runs in np.array_split(np.arange(bins).reshape(-1, width), segments)]


def _without(data: Decodable, segment: NDArray[np.intp]) -> tuple[Decodable, Decodable]:
    """What is beside a segment, to learn from, and the segment."""
    training = Decodable(np.delete(data.counts, segment, axis=0), np.delete(data.kinematics, segment, axis=0))
    return training, Decodable(data.counts[segment], data.kinematics[segment])


def _scored(kinematics: NDArray[np.floating], decoded: Floats, segments: list[NDArray[np.intp]]) -> CrossValidation:
    """Scores of each segment, and all that they are of."""
    squared, correlated = (
        np.stack([measure(kinematics[segment], decoded[segment]) for segment in segments])
        for measure in (r_squared, correlation)
    )
    together = tuple(variance_weighted_r_squared(kinematics[segment], decoded[segment]) for segment in segments)
    return CrossValidation(squared, correlated, kinematics, decoded, together)


def _decoded(make: MakeDecoder, training: Decodable, test: Decodable, width: int = 1) -> Floats:
    """Kinematics (bins, columns) of the test data's whole runs, held over the bins of a run."""
    found, expected = ((data.counts.shape[1:], data.kinematics.shape[1:]) for data in (training, test))
    if found != expected:
        raise BadInputError(
            f"expected units and columns of the test data, {test.counts.shape} and {test.kinematics.shape},"
            f" found {training.counts.shape} and {training.kinematics.shape}"
        )
    decoder = make()
    decoder.fit(
        _runs(training.counts, width).sum(axis=1), _runs(training.kinematics, width).mean(axis=1, dtype=np.float64)
    )
    return np.repeat(decode(decoder, _runs(test.counts, width).sum(axis=1)), width, axis=0)


def _runs(values: NDArray[Any], width: int) -> NDArray[Any]:
    """(runs, bins of a run, columns)."""
    used = values[: len(values) // width * width]
    return used.reshape(-1, width, values.shape[1])
