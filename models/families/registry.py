"""Every family of models, by name. A new one is a file in this folder, and one line here.

The file has a mapping `FAMILIES`, of names to a `GanFamily`, which is trained step by step with torch, or to a
`Baseline`, which is fitted in one go. It is imported when the family is used, so that whoever only reads this table,
or samples a baseline, needs no torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.baselines import Baseline
from spikeloop.models.families.population import Population
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import recorded_rows
from spikeloop.models.recordings.windows import STRETCHES

__all__ = [
    "BASELINES",
    "CONDITIONAL",
    "FAMILIES",
    "Entry",
    "GanFamily",
    "Settings",
    "load_baseline",
    "load_gan_family",
    "preset",
    "suited_preset",
    "why_suited",
]

SHORT_BINS = 40_000  # a recording of fewer is soon learned by heart
AS_PUBLISHED = ("paper", "fully_connected")  # presets that nothing is added to


@dataclass(frozen=True)
class Entry:
    """One line of the table.

    Attributes
    ----------
    module : str
        The file in this folder, without its ending.
    baseline : bool
        Whether it is a `Baseline`.
    conditional : bool
        Whether its models can answer to conditions.
    binary : bool
        Whether it knows at most one spike of a unit in a bin.
    """

    module: str
    baseline: bool = False
    conditional: bool = False
    binary: bool = False


FAMILIES = {
    "causal_gan": Entry("causal_gan", conditional=True),
    "vae": Entry("causal_gan", conditional=True),
    "vae_gan": Entry("causal_gan", conditional=True),
    "spike_gan": Entry("spike_gan", binary=True),
    "dichotomized_gaussian": Entry("dichotomized_gaussian", baseline=True, binary=True),
    "k_pairwise": Entry("k_pairwise", baseline=True, binary=True),
}
BASELINES = tuple(name for name, entry in FAMILIES.items() if entry.baseline)
CONDITIONAL = tuple(name for name, entry in FAMILIES.items() if entry.conditional)


@dataclass(frozen=True)
class GanFamily:
    """A family of models that are trained step by step.

    Attributes
    ----------
    model : callable (config, population) -> models.families.gan.Gan
    config : type
        The dataclass of the family's settings, with at least `window_bins` and `stride`.
    presets : mapping of str to config
    """

    model: Callable[[Any, Population], Any]
    config: Callable[..., Any]
    presets: Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a training run is; two runs with equal settings on equal data take equal steps.

    Attributes
    ----------
    family, preset : str
    config : dataclass
        The family's own settings.
    hold_out : int >= 0
        Every n-th repeat is held out, to judge by; 0 trains on all.
    seed : int >= 0
    calibrate_rates : bool
        Whether rates are corrected at the end.
    lead_bins : int >= 0, bins
        By which the conditions of a bin run ahead of it.
    stop_early : bool
        Whether a part of what is trained on is kept, and each stage ends when that part says so.
    held_out_stretches : int >= 1
        Of a recording with fewer repeats than `hold_out`: stretches of time in each of which a part is held out.
    """

    family: str
    preset: str
    config: Any
    hold_out: int = 5
    seed: int = 0
    calibrate_rates: bool = True
    lead_bins: int = 0
    stop_early: bool = False
    held_out_stretches: int = STRETCHES


def load_baseline(name: str) -> Baseline:
    """Import a baseline; raise BadInputError where there is none of that name."""
    return _load(name, BASELINES)


def load_gan_family(name: str) -> GanFamily:
    """Import a family that is trained step by step; raise BadInputError where there is none of that name."""
    return _load(name, tuple(family for family in FAMILIES if family not in BASELINES))


def _load(name: str, names: tuple[str, ...]) -> Any:
    if name not in names:
        raise BadInputError(f"no family named {name!r}; there are {', '.join(names)}")
    return import_module(f"spikeloop.models.families.{FAMILIES[name].module}").FAMILIES[name]


def preset(
    family: str, name: str, hold_out: int = 5, seed: int = 0, lead_bins: int = 0, stop_early: bool = False
) -> Settings:
    """Make the settings of a training run from the name of a preset.

    Parameters
    ----------
    family : str
        Trained step by step.
    name : str
        Of the preset.
    hold_out, seed, lead_bins, stop_early
        As of `Settings`.

    Raises
    ------
    BadInputError
        If there is no such family or preset.
    """
    presets = load_gan_family(family).presets
    if name not in presets:
        raise BadInputError(f"no preset named {name!r}; {family} has {', '.join(presets)}")
    calibrate_rates = name not in AS_PUBLISHED
    return Settings(family, name, presets[name], hold_out, seed, calibrate_rates, lead_bins, stop_early)


def suited_preset(family: str, recording: Recording) -> str:
    """Choose the preset that suits a recording where the user names none.

    Raises
    ------
    BadInputError
        If there is no such family.
    """
    presets = _load(family, tuple(FAMILIES)).presets
    if "short" in presets and recording.recorded_bins < SHORT_BINS:
        return "short" if recording.signal == "spikes" else "traces"
    several = recording.signal == "spikes" and recorded_rows(recording.counts, recording.lengths).max() > 1
    return next(name for name in ("counts" if several else "fast", "fast", "default") if name in presets)


def why_suited(preset: str) -> str:
    """Say what it is about a recording that `suited_preset` chose this preset for."""
    return {
        "short": f"for fewer than {SHORT_BINS:,} bins",
        "traces": f"for fluorescence of fewer than {SHORT_BINS:,} bins",
        "counts": "for several spikes in a bin",
        "fast": "for at most one spike in a bin, or fluorescence",
    }.get(preset, "the family's own")
