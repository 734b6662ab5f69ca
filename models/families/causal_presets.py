"""Settings of the causal Spike-GAN, VAE and VAE-GAN, and the presets of each."""

from dataclasses import dataclass, replace

from spikeloop.models.families.causal_generator import GeneratorConfig

__all__ = ["PRESETS", "VAE_GAN_PRESETS", "VAE_PRESETS", "CausalGanConfig"]


@dataclass(frozen=True)
class CausalGanConfig(GeneratorConfig):
    """What is built, and how it is trained. The defaults are those of the first version, which had no other entries."""

    window_bins: int = 32  # that the critic scores, as the paper's retina windows; a multiple of stride ** 2
    lead_in_bins: int = (
        512  # that the generator runs before windows are drawn to judge it, so that its state is settled
    )
    crop_bins: int = 128  # of which the likelihood is computed
    carried_share: float = 0.0  # of crops that continue the one before, with the state after it; the others begin anew
    dropout: float = 0.25  # of the recurrent unit's output while it learns by likelihood
    likelihood_steps: int = 5000  # of the first stage
    likelihood_batch: int = 16
    likelihood_rate: float = 3e-3  # falls to 3 % along a quarter of a cosine
    weight_decay: float = 1e-2
    encoder_size: int = 64
    divergence_steps: int = 1000  # in which the divergence of slow latents reaches its full weight
    adversarial: bool = True  # whether there is a second stage
    likelihood_weight: float = 1.0  # of the likelihood of a bin beside the critic in the second stage; 0 for none
    batch: int = 96
    generator_rate: float = 3e-4  # of the second stage
    critic_rate: float = 5e-4
    decay_steps: int = 1500  # of the second stage; both rates fall as 1 / (1 + step / decay_steps)
    critic_lead: int = 100  # steps of the critic alone, before the generator is trained too
    betas: tuple[float, float] = (0.0, 0.9)  # as published with Spike-GAN; of the second stage
    penalty: float = 10.0  # as published
    features: int = 64  # of the critic's convolution next to the spikes
    kernel: int = 5  # bins, as published
    stride: int = 2  # bins, as published
    critic_views: bool = True  # the critic also sees counts and lagged products
    average_decay: float = 0.999  # exponential average of the generator's weights


FAST = CausalGanConfig(  # a critic that has not learned yet leads the generator astray
    state_size=128, factors=24, drives_units=True, own_history=4, carried_share=7 / 8, critic_lead=500,
    generator_rate=1e-4,
)  # fmt: skip
COUNTS = replace(FAST, modes=6, likelihood_batch=8, critic_lead=100, generator_rate=3e-4)
SHORT = replace(
    COUNTS, factors=16, dropout=0.3, likelihood_steps=1000, divergence_steps=350
)  # much is soon learned by heart
TRACES = replace(SHORT, critic_lead=FAST.critic_lead, generator_rate=FAST.generator_rate)  # slow: few are independent
PRESETS = {"fast": FAST, "counts": COUNTS, "short": SHORT, "traces": TRACES}
# the divergence has its full weight before the first stage may end, or its latents would be drawn as none was learned
VAE_GAN_PRESETS = {name: replace(config, slow_latents=8, divergence_steps=200) for name, config in PRESETS.items()}
VAE_PRESETS = {name: replace(config, adversarial=False) for name, config in VAE_GAN_PRESETS.items()}
