"""Causal generators of any size with random weights: as fast as trained ones, and as quick to make."""

from pathlib import Path

import numpy as np
import torch

from spikeloop.exporters.bundle import write_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.export import bins_to_onnx
from spikeloop.models.families.causal_generator import Generator
from spikeloop.models.families.causal_presets import PRESETS
from spikeloop.models.families.population import Population
from spikeloop.models.random_streams import Purpose, torch_seed

__all__ = ["random_generator", "write_random_bundle"]

RATE_HZ = 5.0
BIN_SIZE_S = 0.001


def random_generator(units: int) -> tuple[Generator, Population]:
    """A `fast` generator of so many units at 1 kHz, each firing at about 5 Hz."""
    torch.manual_seed(torch_seed(0, Purpose.BENCHMARK))
    rates = np.full(units, RATE_HZ * BIN_SIZE_S)
    nothing = np.zeros(0)
    population = Population("bernoulli", 1, rates, np.sqrt(rates), (), nothing, nothing)
    return Generator(PRESETS["fast"], population).eval(), population


def write_random_bundle(path: Path, units: int) -> None:
    """The same as a bundle."""
    generator, population = random_generator(units)
    content, state = bins_to_onnx(generator, population)
    card = Card(
        name=f"random-{units}",
        family="causal_gan",
        kind="stream",
        unit_names=tuple(f"unit {i}" for i in range(units)),
        bin_size_s=BIN_SIZE_S,
        window_bins=PRESETS["fast"].window_bins,
        uniform_size=generator.modes + units,
        state_tensors=tuple(state),
    )
    write_bundle(path, card, content, b"", {"rates": population.means}, state)
