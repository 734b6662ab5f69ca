"""Draw docs/latents.png: what each slow latent of a bundle does to its population, held at -2 to 2 deviations."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tyro
from numpy.typing import NDArray
from tyro.conf import Positional

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.inference.bin_engine import BinEngine

HELD = np.linspace(-2, 2, 5)
BINS, SETTLING = 1500, 200


OUT = Path(__file__).with_name("latents.png")


def main(bundle: Positional[Path], out: Path = OUT) -> None:
    """One column a latent: mean rate of every unit above, of the population below, against the latent's value."""
    loaded = load_bundle(bundle)
    latents = loaded.card.normal_size
    if not latents:
        raise SystemExit(f"{bundle}: expected a bundle with slow latents (families vae and vae_gan), found none")
    rates = np.array([[_rates_hz(loaded, latent, value) for value in HELD] for latent in range(latents)])
    order = np.argsort(-np.abs(rates[:, -1] - rates[:, 0]).mean(axis=1))
    figure, axes = plt.subplots(2, latents, figsize=(1.6 * latents, 4.2), sharex=True, sharey="row", squeeze=False)
    for column, latent in enumerate(order):
        change = rates[latent] / rates[latent][len(HELD) // 2].clip(0.05)
        by_effect = np.argsort(change[-1] - change[0])
        axes[0, column].imshow(
            np.log2(change.clip(0.25, 4))[:, by_effect].T, aspect="auto", cmap="RdBu_r", vmin=-2, vmax=2,
            extent=(HELD[0], HELD[-1], 0, rates.shape[2]),
        )  # fmt: skip
        axes[0, column].set_title(f"latent {latent}", fontsize=9)
        axes[1, column].plot(HELD, rates[latent].mean(axis=1), "k.-")
        axes[1, column].set_xlabel("held at (s.d.)", fontsize=8)
    axes[0, 0].set_ylabel("units, by effect\n(rate, blue 1/4 to red 4 times)", fontsize=8)
    axes[1, 0].set_ylabel("mean rate (Hz)", fontsize=8)
    figure.suptitle(f"{loaded.card.name}: slow latents, by their effect", fontsize=10)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    spread = [f"{latent}: {rates[latent].mean(axis=1).round(2).tolist()}" for latent in order]
    print(f"{out}: mean rates (Hz) at {HELD.tolist()}\n" + "\n".join(spread))


def _rates_hz(bundle: Bundle, latent: int, value: float) -> NDArray[np.float64]:
    """Mean rates while one latent is held, the others run, and conditions go through their cycle or rest."""
    engine = BinEngine(bundle, "cpu")
    random = random_stream(1, Purpose.BENCHMARK)
    card, counts = bundle.card, []
    config = card.training["settings"]["config"]
    time_constants = np.geomspace(config["shortest_slow_bins"], config["longest_slow_bins"], card.normal_size)
    persistence = np.exp(-1 / time_constants[latent])
    for bin_ in range(SETTLING + BINS):
        condition = rest_of(card.channels)[np.newaxis]
        for index, channel in enumerate(card.channels):
            if channel.cyclic:
                condition[0, index] = bin_ % channel.period
        normal = random.standard_normal((1, card.normal_size), np.float32)
        normal[0, latent] = value * np.sqrt((1 - persistence) / (1 + persistence))  # at which the process stands still
        counts.append(engine.run(condition, random.random((1, card.uniform_size), np.float32), normal)[0])
    return np.stack(counts[SETTLING:]).mean(axis=0, dtype=np.float64) / card.bin_size_s


if __name__ == "__main__":
    tyro.cli(main)
