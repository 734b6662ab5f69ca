"""From a training checkpoint to a bundle: generator and critic as ONNX, checked against torch."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeloop.exporters.bundle import Bundle, write_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.checkpoint import read_checkpoint
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.training import FAMILIES

__all__ = ["export_bundle", "to_onnx"]

OPSET = 18
PARITY_BATCHES = (1, 2, 7, 64)
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
    tensors, description = read_checkpoint(checkpoint)
    settings, recording = description["settings"], description["recording"]
    if settings["family"] not in FAMILIES:
        raise BadInputError(f"{checkpoint}: unknown family {settings['family']!r}; there are {', '.join(FAMILIES)}")
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

    generator = to_onnx(model.average, torch.zeros(2, config.latent_size), "latent", "probability")
    critic = to_onnx(model.critic, torch.zeros(2, config.window_bins, units), "windows", "score")
    card = Card(
        name=name or out.stem,
        family=settings["family"],
        kind="window",
        unit_names=tuple(recording["unit_names"]),
        bin_size_s=recording["bin_size_s"],
        window_bins=config.window_bins,
        latent_size=config.latent_size,
        training={
            "recording": {key: recording[key] for key in ("name", "origin", "repeats", "bins", "sha256")},
            "settings": settings,
            "steps": description["steps"],
            "trained_s": round(description["trained_s"], 1),
        },
        realism=description["realism"],
    )
    prefix = "reference."
    reference = {key.removeprefix(prefix): value.numpy() for key, value in tensors.items() if key.startswith(prefix)}
    return write_bundle(out, card, generator, critic, reference)


def to_onnx(module: nn.Module, example: Tensor, input_name: str, output_name: str) -> bytes:
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
    check_parity(module, exported, example.shape[1:])
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
def check_parity(module: nn.Module, exported: bytes, shape: Sequence[int]) -> None:
    """Compare torch with ONNX Runtime on seeded normal inputs of several batch sizes.

    Raises
    ------
    FailureError
        If any output differs by more than float32 rounding explains.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    random = np.random.Generator(np.random.Philox(0))
    for batch in PARITY_BATCHES:
        given = random.standard_normal((batch, *shape), dtype=np.float32)
        expected: Any = module(torch.from_numpy(given)).numpy()
        (found,) = session.run(None, {session.get_inputs()[0].name: given})
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=PARITY_TOLERANCE, atol=1e-5):
            worst = np.abs(found - expected).max() if found.shape == expected.shape else float("inf")
            raise FailureError(
                f"ONNX Runtime and torch disagree at batch {batch} (by {worst:.2g}); nothing was exported:"
                " check the pinned versions in constraints.txt"
            )
