"""From a training checkpoint to a bundle: generator and critic as ONNX, checked against torch."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import GRAPH_VERSION, Card
from spikeloop.exporters.formats.assembly.renaming import relabelled_channels
from spikeloop.exporters.graphs.critic import CriticGraphs, critic_to_onnx
from spikeloop.exporters.graphs.one_bin import NOISE, BinNoise, OneBin
from spikeloop.exporters.graphs.scan import fed_by, over_bins
from spikeloop.exporters.graphs.torch_to_onnx import convert, random_input, to_onnx
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.causal_generator import Generator, State
from spikeloop.models.families.gan import Gan
from spikeloop.models.families.population import Population, population_of_description
from spikeloop.models.families.registry import BASELINES, FAMILIES, load_baseline, load_gan_family
from spikeloop.models.random_streams import Purpose, random_stream, torch_seed
from spikeloop.models.recordings.condition import conditions_from, phases, rest_of
from spikeloop.models.training.checkpoint import read_checkpoint
from spikeloop.models.training.fit_baseline import WINDOW_BINS

__all__ = ["bins_to_onnx", "export_bundle"]

FORKS = 1 / 16  # of a batch of bins: a spike at its very threshold may fall either way
SETTLING_BINS = 512


def export_bundle(
    checkpoint: Path, out: Path, name: str | None = None, rename: Mapping[str, str] | None = None
) -> Bundle:
    """Export a checkpoint to a bundle.

    Parameters
    ----------
    checkpoint : pathlib.Path
        A folder that training wrote, or the file in it.
    out : pathlib.Path
        A folder, or a file that ends in `.zip`.
    name : str, default that of `out`
        The bundle's name.
    rename : mapping of str to str, optional
        New names of conditions, which may end in a unit; of the card alone.

    Returns
    -------
    Bundle

    Raises
    ------
    BadInputError
        If the checkpoint is missing, damaged or of an unknown family.
    FailureError
        If ONNX Runtime and torch disagree, or the disk refuses.
    """
    arrays, description = read_checkpoint(checkpoint)
    settings, recording = description["settings"], description["recording"]
    if rename:
        recording |= {"channels": _renamed(recording["channels"], rename, str(checkpoint))}
    if settings["family"] in BASELINES:
        return _export_baseline(arrays, description, out, name)
    if settings["family"] not in FAMILIES:
        raise BadInputError(f"{checkpoint}: unknown family {settings['family']!r}; there are {', '.join(FAMILIES)}")
    population = population_of_description(recording)
    model = _model(arrays, settings, population, checkpoint)
    window_bins = settings["config"]["window_bins"]
    critic = critic_to_onnx(model.critic, window_bins, population.units, len(population.channels))
    reference = _part(arrays, "reference.")
    sampled = model.calibrated()
    if isinstance(sampled, Generator):
        return _export_stream(sampled, population, description, out, name, critic, reference)
    generator = to_onnx(sampled, {"latent": torch.zeros(2, sampled.latent_size)}, ("probability",))
    card = _card(description, name or out.stem, kind="window", window_bins=window_bins, latent_size=sampled.latent_size)
    return write_bundle(out, card, generator, critic.score, reference, None, *critic[1:])


def _renamed(channels: Sequence[dict[str, Any]], rename: Mapping[str, str], where: str) -> list[dict[str, Any]]:
    return [dataclasses.asdict(channel) for channel in relabelled_channels(conditions_from(channels, where), rename)]


def _model(arrays: Mapping[str, np.ndarray], settings: dict, population: Population, checkpoint: Path) -> Gan:
    """Build the model of a checkpoint, with its weights."""
    family = load_gan_family(settings["family"])
    try:
        entries = {key: tuple(value) if isinstance(value, list) else value for key, value in settings["config"].items()}
        model = family.model(family.config(**entries), population)
        model.load_state_dict({key: torch.from_numpy(arrays[key]) for key in model.state_dict()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise BadInputError(
            f"{checkpoint}: its weights and settings are not those of this version's {settings['family']} ({error});"
            " train it anew"
        ) from error
    return model.eval()


def _export_stream(
    generator: Generator,
    population: Population,
    description: dict,
    out: Path,
    name: str | None,
    critic: CriticGraphs,
    reference: Mapping[str, np.ndarray],
) -> Bundle:
    exported, first = bins_to_onnx(generator, population)
    card = _card(
        description,
        name or out.stem,
        kind="stream",
        window_bins=description["settings"]["config"]["window_bins"],
        uniform_size=generator.modes + generator.units,
        normal_size=generator.slow_latents,
        count_distribution=population.distribution,
        latency_bins=description["settings"].get("lead_bins", 0),
        conditions=tuple(dataclasses.asdict(channel) for channel in population.channels),
        state_tensors=tuple(first),
    )
    return write_bundle(out, card, exported, critic.score, reference, first, *critic[1:])


def bins_to_onnx(generator: Generator, population: Population) -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    """Convert a causal generator to ONNX, bin after bin.

    Returns
    -------
    exported : bytes
    first : dict of str to array of shape (1, size), float32
        The state to begin from.

    Raises
    ------
    FailureError
        If ONNX Runtime and torch disagree.
    """
    state = _settled(generator, population)
    names = [name for name in State._fields if getattr(state, name).shape[1]]
    example = {key: value.repeat(2, 1) for key, value in _bin_inputs(generator, population, state).items()}
    outputs = ("counts", *(f"next_{name}" for name in names))
    one_bin = onnx.load_from_string(to_onnx(OneBin(generator, tuple(example)), example, outputs, FORKS))
    uniform = torch.full((2, 1, generator.modes + generator.units), 0.5)
    free = {"uniform": {0: torch.export.Dim("bins"), 1: torch.export.Dim("batch")}}
    noise = onnx.load_from_string(convert(BinNoise(generator), {"uniform": uniform}, NOISE, free))
    exported = fed_by(over_bins(one_bin, names), noise).SerializeToString()
    first = {name: getattr(state, name).numpy() for name in names}
    _check_bins(exported, first)
    return exported, first


def _check_bins(exported: bytes, first: dict[str, NDArray[np.float32]]) -> None:
    """Make sure that several bins in one call are, bit for bit, those bins in one call each."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    random, bins = random_stream(1, Purpose.EXPORT_CHECK), 50
    series = {
        entry.name: random_input(entry.name, (bins, 1, entry.shape[2]), random)
        for entry in session.get_inputs()
        if entry.name not in first
    }
    outputs = ["counts", *(f"next_{name}" for name in first)]
    found: Any = session.run(outputs, series | first)
    state, emitted = first, []
    for bin_ in range(bins):
        one_bin: Any = session.run(outputs, {key: value[[bin_]] for key, value in series.items()} | state)
        state = dict(zip(first, one_bin[1:], strict=True))
        emitted.append(one_bin[0][0])
    if not all(map(np.array_equal, found, [np.stack(emitted), *state.values()])):
        raise FailureError(
            "ONNX Runtime gives other bins in one call than one by one; nothing was exported: check the pinned"
            " versions in constraints.txt"
        )


@torch.no_grad()
def _settled(generator: Generator, population: Population) -> State:
    """Run the generator at rest, or up to the end of a stimulus, so that the first bin comes next."""
    random = torch.Generator().manual_seed(torch_seed(0, Purpose.SETTLING))
    conditions = torch.from_numpy(np.tile(rest_of(population.channels), (1, SETTLING_BINS, 1)))
    for index, channel in enumerate(population.channels):
        if channel.cyclic:
            first = -SETTLING_BINS % channel.period
            conditions[0, :, index] = torch.from_numpy(phases(first, SETTLING_BINS, channel.period)[:, 0])
    _, state = generator(conditions, generator.noise(1, SETTLING_BINS, random), generator.first_state(1, random))
    return state


def _bin_inputs(generator: Generator, population: Population, state: State) -> dict[str, Tensor]:
    """Make an example of one bin's inputs, by name, without those of size 0."""
    given = {
        "condition": torch.from_numpy(rest_of(population.channels)[np.newaxis]),
        "gumbel": torch.zeros(1, generator.modes),
        "of_units": torch.full((1, generator.units), 0.5),
        "normal": torch.zeros(1, generator.slow_latents),
        **state._asdict(),
    }
    return {name: value for name, value in given.items() if value.shape[1]}


def _export_baseline(arrays: Mapping[str, np.ndarray], description: dict, out: Path, name: str | None) -> Bundle:
    card = _card(description, name or out.stem, kind="stream", window_bins=WINDOW_BINS, latent_size=0)
    parameters = _part(arrays, "parameters.")
    load_baseline(card.family).from_arrays(parameters)  # raises where they could not be streamed
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
        graph_version=GRAPH_VERSION,
        **of_family,
    )


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
