"""A critic as ONNX: its score, and for importance maps how the score changes with rearranged spikes."""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from torch import Tensor

from spikeloop.exporters.bundle_files import CRITIC_WEIGHTS
from spikeloop.exporters.graphs.shared_weights import share_weights
from spikeloop.exporters.graphs.torch_to_onnx import alike, convert, to_onnx
from spikeloop.models.errors import FailureError
from spikeloop.models.families.critic import ConvolutionalCritic, Critic
from spikeloop.models.families.critic_changes import ScoreChanges, SpikeEffects, convolution_of
from spikeloop.models.importance.patches import SPAN_BINS, Convolution, cut_patches
from spikeloop.models.random_streams import Purpose, random_stream

__all__ = ["CriticGraphs", "critic_to_onnx"]

CHECKED_CHANGES = 64


class CriticGraphs(NamedTuple):
    """ONNX files as bytes.

    Attributes
    ----------
    score : bytes
        Windows (and conditions) to score.
    changes : bytes
        Window, changes, their patches (and conditions) to changes of the score, as of `ScoreChanges`; empty where the
        critic is not convolutional, or its windows are shorter than a span.
    effects : bytes
        Windows (and conditions) to effects, pair slopes and population scores, as of `SpikeEffects`; empty likewise.
    weights : bytes
        What they have in common, to which they refer as `critic_weights.bin`; empty where the score is all.
    """

    score: bytes
    changes: bytes
    effects: bytes
    weights: bytes


def critic_to_onnx(critic: Critic, window_bins: int, units: int, channels: int) -> CriticGraphs:
    """Convert a critic to ONNX.

    Parameters
    ----------
    critic : Critic
    window_bins, units, channels : int
        Of its windows and their conditions.

    Raises
    ------
    FailureError
        If ONNX Runtime and torch disagree.
    """
    windows = {"windows": torch.zeros(2, window_bins, units)}
    if channels:
        windows["conditions"] = torch.zeros(2, window_bins, channels)
    score = to_onnx(critic, windows, ("score",))
    if not isinstance(critic.body, ConvolutionalCritic) or window_bins < SPAN_BINS:
        return CriticGraphs(score, b"", b"", b"")
    convolution = convolution_of(critic.body)
    given = _rearrangements(window_bins, units, channels, convolution)
    some, patches = {0: torch.export.Dim("changes")}, {1: torch.export.Dim("patches")}
    free: dict[str, dict[int, Any]] = dict.fromkeys(("unit", "first", "change"), some)
    free |= dict.fromkeys(("patch_unit", "patch_position", "patch"), patches) | {"place": {1: some[0]}}
    changes = _described(convert(ScoreChanges(critic), given, ("changes",), free), convolution)
    _check_changes(critic, changes, given)
    effects = to_onnx(SpikeEffects(critic), windows, ("effects", "pair_slopes", "population_scores"))
    (score, changes, effects), weights = share_weights([score, changes, effects], CRITIC_WEIGHTS)
    return CriticGraphs(score, changes, effects, weights)


def _rearrangements(bins: int, units: int, channels: int, convolution: Convolution) -> dict[str, Tensor]:
    """Draw random moves of spikes in a random window, also at its ends."""
    random = random_stream(0, Purpose.EXPORT_CHECK)
    window = random.poisson(0.3, (bins, units)).astype(np.float32)
    unit = random.integers(units, size=CHECKED_CHANGES)
    first = random.permutation(np.arange(CHECKED_CHANGES) % (bins - SPAN_BINS + 1))
    change = np.zeros((CHECKED_CHANGES, bins), np.float32)
    for row, span in enumerate(
        window[start : start + SPAN_BINS, which] for start, which in zip(first, unit, strict=True)
    ):
        change[row, first[row] : first[row] + SPAN_BINS] = random.permutation(span) - span
    conditions = {"conditions": random.standard_normal((bins, channels), np.float32)} if channels else {}
    cut = cut_patches(unit, first, change, convolution)
    patches = {"patch_unit": cut.unit, "patch_position": cut.position, "patch": cut.values, "place": cut.place}
    arrays = {"window": window, "unit": unit, "first": first, "change": change} | patches | conditions
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _described(changes: bytes, convolution: Convolution) -> bytes:
    """Write into a graph what whoever cuts patches for it has to know."""
    model = onnx.load_from_string(changes)
    onnx.helper.set_model_props(model, {name: str(value) for name, value in asdict(convolution).items()})
    return model.SerializeToString()


@torch.no_grad()
def _check_changes(critic: Critic, exported: bytes, given: dict[str, Tensor]) -> None:
    """Make sure that changes are the differences of the scores of whole windows."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    found: Any = session.run(None, {name: value.numpy() for name, value in given.items()})[0]
    rows = torch.arange(CHECKED_CHANGES)
    windows = given["window"].repeat(CHECKED_CHANGES, 1, 1)
    windows[rows, :, given["unit"]] += given["change"]
    conditions = given["conditions"][None] if "conditions" in given else None
    before = critic(given["window"][None], conditions)
    after = critic(windows, None if conditions is None else conditions.repeat(CHECKED_CHANGES, 1, 1))
    expected = (after - before).numpy()
    if not alike(found, expected).all():
        raise FailureError(
            f"the exported critic's changes are off by up to {float(np.abs(found - expected).max()):.2g}; nothing was"
            " exported: check the pinned versions in constraints.txt"
        )
