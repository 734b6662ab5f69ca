"""A Spike-GAN bundle of any size with random weights: as fast as a trained one, and as quick to make."""

from pathlib import Path

import numpy as np
import torch

from spikeloop.exporters.bundle import write_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.onnx import to_onnx
from spikeloop.models.spike_gan import PRESETS, Generator

RATE_HZ = 5.0
BIN_SIZE_S = 0.001


def write_random_bundle(path: Path, units: int) -> None:
    """A `fast` generator of so many units at 1 kHz, each firing at about 5 Hz."""
    torch.manual_seed(0)
    config = PRESETS["fast"]
    generator = Generator(config, units)
    generator.set_rates(torch.full((units,), RATE_HZ * BIN_SIZE_S))
    card = Card(
        name=f"random-{units}",
        family="spike_gan",
        kind="window",
        unit_names=tuple(f"unit {i}" for i in range(units)),
        bin_size_s=BIN_SIZE_S,
        window_bins=config.window_bins,
        latent_size=config.latent_size,
    )
    content = to_onnx(generator, torch.zeros(2, config.latent_size), "latent", "probability")
    write_bundle(path, card, content, b"", {"rates": np.full(units, RATE_HZ * BIN_SIZE_S)})
