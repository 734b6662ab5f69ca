"""Small bundles of the baselines with made-up parameters; nothing is fitted."""

from pathlib import Path

import numpy as np

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.families.baselines import Sampled
from spikeloop.models.families.dichotomized_gaussian import DichotomizedGaussian
from spikeloop.models.families.k_pairwise import KPairwise
from spikeloop.models.measures.similarity import statistics_of

TAPS, PHASES = 8, 3


def tiny_model(family: str, units: int = 4) -> Sampled:
    """Some model of a family, with correlated units that fire in about one bin of ten."""
    random = np.random.Generator(np.random.Philox(2))
    if family == "k_pairwise":
        couplings = random.normal(0, 0.5, (units, units))
        couplings = (couplings + couplings.T) * (1 - np.eye(units))
        potentials = -0.1 * np.arange(units + 1.0) ** 2
        fields = random.normal(-2, 0.3, units)
        return KPairwise(*(each.astype(np.float32) for each in (fields, couplings, potentials)))
    response = random.standard_normal((TAPS, units, units))
    response /= np.sqrt(np.square(response).sum(axis=(0, 2)))[:, np.newaxis]
    thresholds = random.normal(-1.3, 0.2, (PHASES, units))
    return DichotomizedGaussian(thresholds.astype(np.float32), response.astype(np.float32))


def tiny_baseline_card(family: str, units: int = 4, bin_size_s: float = 0.001) -> Card:
    return Card(
        name="tiny",
        family=family,
        kind="stream",
        unit_names=tuple(f"unit {i}" for i in range(units)),
        bin_size_s=bin_size_s,
        window_bins=32,
        latent_size=0,
    )


def tiny_baseline(path: Path, family: str, units: int = 4, bin_size_s: float = 0.001) -> Bundle:
    reference = statistics_of(np.eye(units, dtype=np.uint8)[np.newaxis])
    card = tiny_baseline_card(family, units, bin_size_s)
    return write_bundle(path, card, b"", b"", reference, tiny_model(family, units).arrays())
