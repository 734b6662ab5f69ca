"""From a training checkpoint to a bundle: generator and critic as ONNX, checked against torch."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.baselines import BASELINES
from spikeloop.models.checkpoint import read_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families import FAMILIES
from spikeloop.models.fitting import WINDOW_BINS
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["export_bundle", "to_onnx"]

OPSET = 18
PARITY_BATCHES = (1, 2, 7, 64)
FORKS = 1 / 16  # of a causal generator's windows: a spike at its very threshold may fall either way, others follow
PARITY_TOLERANCE = 1e-4  # float32 sums of a few hundred terms, in another order


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
    units = len(recording["unit_names"])
    try:
        config = config_type(**settings["config"] | {"betas": tuple(settings["config"]["betas"])})
        model = family(config, torch.full((units,), 0.5))
        model.load_state_dict({key: tensors[key] for key in model.state_dict()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise BadInputError(
            f"{checkpoint}: its weights and settings are not those of this version's {settings['family']} ({error});"
            " train it anew"
        ) from error
    model.eval()

    sampled = model.calibrated()
    forks = FORKS if settings["family"] == "causal_gan" else 0.0
    generator = to_onnx(sampled, torch.zeros(2, sampled.latent_size), "latent", "probability", forks)
    critic = to_onnx(model.critic, torch.zeros(2, config.window_bins, units), "windows", "score")
    card = _card(
        description, name or out.stem, kind="window", window_bins=config.window_bins,
        latent_size=sampled.latent_size,
    )  # fmt: skip
    return write_bundle(out, card, generator, critic, _part(arrays, "reference."))


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


def to_onnx(module: nn.Module, example: Tensor, input_name: str, output_name: str, forks: float = 0.0) -> bytes:
    """A module as ONNX with a free batch size, after a check that ONNX Runtime computes what torch does.

    Raises
    ------
    FailureError
        If they differ for any of several batch sizes.
    """
    with torch.no_grad(), _quiet(), hold_interrupts():  # which torch would turn into an error of its own
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            external_data=False,
        )
    exported = _without_notes(program.model_proto).SerializeToString()
    check_parity(module, exported, example.shape[1:], forks)
    return exported


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the exporter says of packages that it does without."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)


def _without_notes(model: Any) -> Any:
    """Drop the exporter's notes: they hold stack traces with the paths of the machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


@torch.no_grad()
def check_parity(module: nn.Module, exported: bytes, shape: Sequence[int], forks: float = 0.0) -> None:
    """Compare torch with ONNX Runtime on seeded normal inputs of several batch sizes.

    Raises
    ------
    FailureError
        If any output differs by more than float32 rounding explains.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    random = np.random.Generator(np.random.Philox(0))
    differing = 0
    for batch in PARITY_BATCHES:
        given = random.standard_normal((batch, *shape), dtype=np.float32)
        expected: Any = module(torch.from_numpy(given)).numpy()
        (found,) = session.run(None, {session.get_inputs()[0].name: given})
        if found.shape != expected.shape:
            raise FailureError(f"ONNX Runtime gives {found.shape}, torch {expected.shape}; nothing was exported")
        alike = np.isclose(found, expected, rtol=PARITY_TOLERANCE, atol=1e-5).reshape(batch, -1).all(axis=1)
        differing += int(np.sum(~alike))
        if np.sum(~alike) > np.ceil(forks * batch) or differing > forks * sum(PARITY_BATCHES):
            raise FailureError(
                f"ONNX Runtime and torch disagree on {np.sum(~alike)} of {batch} (by up to"
                f" {np.abs(found - expected).max():.2g}); nothing was exported: check the pinned versions in"
                " constraints.txt"
            )
