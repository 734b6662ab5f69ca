"""What a model's counts teach decoders about real ones.

Train on synthetic, test on real (Esteban et al. 2017): a decoder that learned from a model's counts decodes real
ones as well as one that learned from real counts, if the model tied counts and kinematics together as the brain did.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.decoding import Decodable, Decoder, fit_kalman, fit_ridge, r_squared

__all__ = ["AugmentationCurve", "DecoderComparison", "augmentation_curve", "compare_decoders"]

Counts = NDArray[np.uint8]
Floats = NDArray[np.float64]

FITS: dict[str, Callable[[Counts, NDArray[np.floating]], Decoder]] = {"ridge": fit_ridge, "Kalman": fit_kalman}


@dataclass(frozen=True)
class DecoderComparison:
    """R2 on real test data of one decoder and column of the kinematics.

    Attributes
    ----------
    real, synthetic : R2 after training on real and on synthetic data
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
class AugmentationCurve:
    """R2 on real test data after training on a few minutes, without and with synthetic data.

    Attributes
    ----------
    minutes : of real training data
    real, augmented : arrays of shape (minutes, pieces, columns)
    """

    minutes: tuple[float, ...]
    real: Floats
    augmented: Floats


def compare_decoders(
    real_training: Decodable, synthetic_training: Decodable, real_test: Decodable
) -> tuple[DecoderComparison, ...]:
    """R2 on real data of decoders that learned from real and from synthetic data.

    Parameters
    ----------
    real_training, synthetic_training : what a model makes costs nothing, so there may be more of it
    real_test : of the same units and columns, not in either

    Raises
    ------
    BadInputError
        If shapes don't fit, or there are too few bins.
    """
    rows = []
    for name, fit in FITS.items():
        real, synthetic = (_score(fit, [each], real_test) for each in (real_training, synthetic_training))
        rows += [
            DecoderComparison(name, column, float(one), float(other))
            for column, (one, other) in enumerate(zip(real, synthetic, strict=True))
        ]
    return tuple(rows)


def augmentation_curve(
    real_training: Decodable,
    synthetic: Decodable,
    real_test: Decodable,
    bin_size_s: float,
    random: np.random.Generator,
    minutes: Sequence[float] = (1, 2, 5),
    pieces: int = 5,
    fit: Callable[[Counts, NDArray[np.floating]], Decoder] = fit_ridge,
) -> AugmentationCurve:
    """What synthetic data add where there are only a few minutes of real ones.

    A model that learned from all of `real_training` knows more than those minutes: then the curve says what its
    data carry over to a short session, not what they add to what it learned from.

    Parameters
    ----------
    synthetic : all of it joins every piece
    minutes : of real training data
    pieces : contiguous ones at random places in `real_training`, for each number of minutes

    Raises
    ------
    BadInputError
        If shapes don't fit, or real training data are shorter than the most minutes.
    """
    available = len(real_training.counts)
    sizes = [round(each * 60 / bin_size_s) for each in minutes]
    if not sizes or not 0 < min(sizes) <= max(sizes) <= available:
        raise BadInputError(
            f"expected minutes from 0 to {available * bin_size_s / 60:.3g} (real training data), found {tuple(minutes)}"
        )
    real, augmented = [], []
    for size in sizes:
        for first in random.integers(available - size + 1, size=pieces):
            place = slice(first, first + size)
            piece = Decodable(real_training.counts[place], real_training.kinematics[place])
            real.append(_score(fit, [piece], real_test))
            augmented.append(_score(fit, [piece, synthetic], real_test))
    shape = (len(sizes), pieces, real_test.kinematics.shape[1])
    return AugmentationCurve(tuple(minutes), np.reshape(real, shape), np.reshape(augmented, shape))


def _score(
    fit: Callable[[Counts, NDArray[np.floating]], Decoder], training: Sequence[Decodable], test: Decodable
) -> Floats:
    for each in (*training, test):
        fits = each.counts.shape[1:] == test.counts.shape[1:] and each.kinematics.shape[1:] == test.kinematics.shape[1:]
        if not fits:
            raise BadInputError(
                f"expected units and columns of the test data, {test.counts.shape} and {test.kinematics.shape},"
                f" found {each.counts.shape} and {each.kinematics.shape}"
            )
    decoder = fit(
        np.concatenate([each.counts for each in training]), np.concatenate([each.kinematics for each in training])
    )
    return r_squared(test.kinematics, decoder.decode(test.counts))
