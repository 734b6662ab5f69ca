"""From a training checkpoint to a bundle: generator and critic as ONNX, checked against torch."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.critic_graphs import CriticGraphs, critic_to_onnx
from spikeloop.exporters.graph import random_input, to_onnx
from spikeloop.exporters.scan import over_bins
from spikeloop.models.baselines import BASELINES
from spikeloop.models.causal_gan import CausalGan
from spikeloop.models.causal_generator import Generator, Noise, State
from spikeloop.models.checkpoint import read_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families import FAMILIES
from spikeloop.models.fitting import WINDOW_BINS
from spikeloop.models.population import Population, population_of_description
from spikeloop.models.recordings.condition import phases, rest_of

__all__ = ["bins_to_onnx", "export_bundle"]

FORKS = 1 / 16  # of a batch of bins: a spike at its very threshold may fall either way
SETTLING_BINS = 512


def export_bundle(checkpoint: Path, out: Path, name: str | None = None) -> Bundle:
    """Turn a checkpoint into a bundle.

    Parameters
    ----------
    checkpoint : a folder that training wrote, or the file in it
    out : folder, or file ending in `.zip`
    name : the bundle's name; by default that of `out`

    Raises
    ------
    BadInputError
        If the checkpoint is missing, damaged or of an unknown family.
    FailureError
        If ONNX Runtime and torch disagree, or the disk refuses.
    """
    arrays, description = read_checkpoint(checkpoint)
    settings, recording = description["settings"], description["recording"]
    if settings["family"] in BASELINES:
        return _export_baseline(arrays, description, out, name)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if settings["family"] not in FAMILIES:
        known = ", ".join((*FAMILIES, *BASELINES))
        raise BadInputError(f"{checkpoint}: unknown family {settings['family']!r}; there are {known}")
    family, config_type, _ = FAMILIES[settings["family"]]
    try:
        config = config_type(**settings["config"] | {"betas": tuple(settings["config"]["betas"])})
        population = population_of_description(recording)
        model = family(config, population)
        model.load_state_dict({key: tensors[key] for key in model.state_dict()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise BadInputError(
            f"{checkpoint}: its weights and settings are not those of this version's {settings['family']} ({error});"
            " train it anew"
        ) from error
    model.eval()

    critic = critic_to_onnx(model.critic, config.window_bins, population.units, len(population.channels))
    reference = _part(arrays, "reference.")
    if isinstance(model, CausalGan):
        return _export_stream(model, population, description, out, name, critic, reference)
    sampled = model.calibrated()
    generator = to_onnx(sampled, {"latent": torch.zeros(2, sampled.latent_size)}, ("probability",))
    card = _card(
        description, name or out.stem, kind="window", window_bins=config.window_bins, latent_size=sampled.latent_size
    )
    return write_bundle(out, card, generator, critic.score, reference, None, critic.changes, critic.effects)


def _export_stream(
    model: CausalGan,
    population: Population,
    description: dict,
    out: Path,
    name: str | None,
    critic: CriticGraphs,
    reference: Mapping[str, np.ndarray],
) -> Bundle:
    generator = model.calibrated()
    exported, first = bins_to_onnx(generator, population)
    card = _card(
        description,
        name or out.stem,
        kind="stream",
        window_bins=model.config.window_bins,
        uniform_size=generator.modes + generator.units,
        normal_size=generator.slow_latents,
        count_distribution=population.distribution,
        latency_bins=description["settings"].get("lead_bins", 0),
        conditions=tuple(dataclasses.asdict(channel) for channel in population.channels),
        state_tensors=tuple(first),
    )
    return write_bundle(out, card, exported, critic.score, reference, first, critic.changes, critic.effects)


def bins_to_onnx(generator: Generator, population: Population) -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    """A causal generator as ONNX, bin after bin, and the state to begin from, by name.

    Raises
    ------
    FailureError
        If ONNX Runtime and torch disagree.
    """
    state = _settled(generator, population)
    names = [each for each in State._fields if getattr(state, each).shape[1]]
    example = {key: value.repeat(2, 1) for key, value in _bin_inputs(generator, population, state).items()}
    outputs = ("counts", *(f"next_{each}" for each in names))
    one_bin = to_onnx(_Bin(generator, tuple(example)), example, outputs, FORKS)
    exported = over_bins(onnx.load_from_string(one_bin), names).SerializeToString()
    _check_bins(one_bin, exported, names)
    return exported, {each: getattr(state, each).numpy() for each in names}


def _check_bins(one_bin: bytes, many: bytes, states: Sequence[str]) -> None:
    """Make sure that several bins in one go are those bins one after the other, to the bit."""
    import onnxruntime

    single, whole = (onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (one_bin, many))
    random = np.random.Generator(np.random.Philox(1))
    given = {each.name: random_input(each.name, (1, each.shape[1]), random) for each in single.get_inputs()}
    series = {key: np.stack([value, value[:, ::-1], value]) for key, value in given.items() if key not in states}
    state = {key: given[key] for key in states}
    expected = []
    for bin_ in range(3):
        emitted, *after = single.run(None, {key: value[bin_] for key, value in series.items()} | state)
        state = dict(zip(states, after, strict=True))
        expected.append(emitted)
    (found,) = whole.run(["counts"], series | {key: given[key] for key in states})
    if not np.array_equal(np.stack(expected), np.asarray(found)):
        raise FailureError("ONNX Runtime gives other bins in one go than one by one; nothing was exported")


@torch.no_grad()
def _settled(generator: Generator, population: Population) -> State:
    """The state after running at rest, or up to the end of a stimulus, so that the first bin comes next."""
    random = torch.Generator().manual_seed(0)
    conditions = torch.from_numpy(np.tile(rest_of(population.channels), (1, SETTLING_BINS, 1)))
    for index, channel in enumerate(population.channels):
        if channel.cyclic:
            first = -SETTLING_BINS % channel.period
            conditions[0, :, index] = torch.from_numpy(phases(first, SETTLING_BINS, channel.period)[:, 0])
    _, state = generator(conditions, generator.noise(1, SETTLING_BINS, random), generator.first_state(1, random))
    return state


def _bin_inputs(generator: Generator, population: Population, state: State) -> dict[str, Tensor]:
    """What one bin takes, by name; nothing of no size."""
    given = {
        "condition": torch.from_numpy(rest_of(population.channels)[np.newaxis]),
        "uniform": torch.full((1, generator.modes + generator.units), 0.5),
        "normal": torch.zeros(1, generator.slow_latents),
        **state._asdict(),
    }
    return {name: value for name, value in given.items() if value.shape[1]}


class _Bin(nn.Module):
    """One bin as ONNX wants it: flat inputs in the order of `names`, of which those without size are left out."""

    def __init__(self, generator: Generator, names: tuple[str, ...]) -> None:
        super().__init__()
        self.generator = generator
        self.names = names

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        by_name = dict(zip(self.names, given, strict=True))
        nothing = by_name["uniform"][:, :0]
        noise = Noise(by_name["uniform"], by_name.get("normal", nothing))
        state = State(*(by_name.get(name, nothing) for name in State._fields))
        after = self.generator.next_bin(by_name.get("condition", nothing), noise, state)
        return after.previous, *(getattr(after, name).clone() for name in State._fields if name in by_name)


def _export_baseline(arrays: Mapping[str, np.ndarray], description: dict, out: Path, name: str | None) -> Bundle:
    card = _card(description, name or out.stem, kind="stream", window_bins=WINDOW_BINS, latent_size=0)
    parameters = _part(arrays, "parameters.")
    BASELINES[card.family].from_arrays(parameters)  # which refuses what could not be streamed
    return write_bundle(out, card, b"", b"", _part(arrays, "reference."), parameters)


def _card(description: dict, name: str, **of_family: Any) -> Card:
    settings, recording = description["settings"], description["recording"]
    return Card(
        name=name,
        family=settings["family"],
        unit_names=tuple(recording["unit_names"]),
        bin_size_s=recording["bin_size_s"],
        training={
            "recording": {key: recording[key] for key in ("name", "origin", "repeats", "bins", "sha256")},
            "settings": settings,
            "steps": description["steps"],
            "trained_s": round(description["trained_s"], 1),
        },
        realism=description["realism"],
        **of_family,
    )


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
