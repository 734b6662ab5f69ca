"""The families that are trained step by step, and what a run of one is; the baselines are in `baselines.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeloop.models import causal_gan, spike_gan
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording

__all__ = ["FAMILIES", "Settings", "preset", "suited_preset"]

FAMILIES = {
    "causal_gan": (causal_gan.CausalGan, causal_gan.CausalGanConfig, causal_gan.PRESETS),
    "vae": (causal_gan.CausalGan, causal_gan.CausalGanConfig, causal_gan.VAE_PRESETS),
    "vae_gan": (causal_gan.CausalGan, causal_gan.CausalGanConfig, causal_gan.VAE_GAN_PRESETS),
    "spike_gan": (spike_gan.SpikeGan, spike_gan.SpikeGanConfig, spike_gan.PRESETS),
}
SHORT_BINS = 40_000  # a recording of fewer is soon learned by heart
AS_PUBLISHED = ("paper", "fully_connected")  # presets that nothing is added to


@dataclass(frozen=True)
class Settings:
    """What a training run is; two runs with equal settings on equal data take equal steps.

    Attributes
    ----------
    hold_out : every n-th repeat is kept to judge by; 0 trains on all
    config : the family's own settings
    lead_bins : bins by which the conditions of a bin run ahead of it
    calibrate_rates : whether rates are set right at the end
    """

    family: str
    preset: str
    config: Any
    hold_out: int = 5
    seed: int = 0
    calibrate_rates: bool = True
    lead_bins: int = 0


def preset(family: str, name: str, hold_out: int = 5, seed: int = 0, lead_bins: int = 0) -> Settings:
    """Settings by name.

    Raises
    ------
    BadInputError
        If there is no such family or preset.
    """
    presets = _presets_of(family)
    if name not in presets:
        raise BadInputError(f"no preset named {name!r}; {family} has {', '.join(presets)}")
    calibrate_rates = name not in AS_PUBLISHED
    return Settings(family, name, presets[name], hold_out, seed, calibrate_rates, lead_bins)


def suited_preset(family: str, recording: Recording) -> str:
    """The preset that suits a recording where the user names none.

    Raises
    ------
    BadInputError
        If there is no such family.
    """
    presets = _presets_of(family)
    if "short" in presets and recording.repeats * recording.bins < SHORT_BINS:
        return "short"
    several = recording.signal == "spikes" and recording.counts.max() > 1
    return "counts" if "counts" in presets and several else "fast"


def _presets_of(family: str) -> Mapping[str, Any]:
    if family not in FAMILIES:
        raise BadInputError(f"no family named {family!r}; there are {', '.join(FAMILIES)}")
    return FAMILIES[family][2]
