"""What a decoder learns from: spikes of a population that follows a moving cursor, and the velocity intended meanwhile.

The cursor makes the reaches by which a closed loop calibrates. Slow, smooth movements would teach a Kalman filter that
velocities hardly change, and it would lag behind whoever plays.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.recordings.reaches import Reaches, random_reaches
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.stream.source import open_source

__all__ = ["Calibration", "fitted", "imagined", "known_bins", "reaches_to_follow"]

IMAGINED_S = 100.0
IMAGINED_SEED = 2**60  # far from those that users choose
SLOWER = 1.6  # than a hand's own reaches, so that a person can follow


@dataclass(frozen=True, eq=False)
class Calibration:
    """What decoders are fitted to.

    Attributes
    ----------
    counts : array of shape (bins, units)
    velocity_cm_s : array of shape (bins, 2), cm/s
        Intended.
    source : {"imagined", "followed"}
        Whether the population imagined to follow, or a visitor followed.
    """

    counts: Counts
    velocity_cm_s: Floats
    source: Literal["imagined", "followed"]


def imagined(bundle: Bundle, encoding: VelocityEncoding) -> Calibration:
    """Have the population imagine to follow reaches, as fast as the machine allows."""
    reaches = random_reaches(round(IMAGINED_S / bundle.card.bin_size_s), bundle.card.bin_size_s)
    moments = zip(reaches.velocity_cm_s, reaches.position_cm, strict=True)
    conditions = np.array([encoding.conditions(*moment) for moment in moments])
    counts = open_source(bundle, IMAGINED_SEED, "cpu").next(len(conditions), conditions)
    return Calibration(counts, reaches.velocity_cm_s, "imagined")


def reaches_to_follow(bins: int, bin_size_s: float, seed: int) -> Reaches:
    """Make the path, bin by bin, of a cursor that a person follows."""
    reaches = random_reaches(bins, bin_size_s / SLOWER, seed)
    return Reaches(reaches.position_cm, reaches.velocity_cm_s / SLOWER)


def fitted(calibration: Calibration, spec: DecoderSpec, bin_size_s: float) -> Decoder:
    """Fit a decoder; BadInputError or FailureError where it can't be had, or there is nothing to learn."""
    units = calibration.counts.shape[1]
    decoder = open_decoder(spec, units=units, bin_size_s=bin_size_s, seed=0)
    decoder.fit(calibration.counts, calibration.velocity_cm_s)
    return decoder


def known_bins(counts: Counts, velocity_cm_s: NDArray[np.floating]) -> Calibration:
    """Make a calibration of what a visitor followed, without the bins of which it is not known what was intended."""
    known = np.isfinite(velocity_cm_s).all(axis=1)
    return Calibration(counts[known], np.asarray(velocity_cm_s[known], float), "followed")
