"""A training run saved as a checkpoint, and continued from one."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.measures.similarity import Similarity
from spikeloop.models.measures.table import key_of
from spikeloop.models.recordings.windows import holds_out_repeats
from spikeloop.models.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from spikeloop.models.training.run import Training
from spikeloop.models.training.validation import KEPT_EVERY, describe_realism, describe_recording

__all__ = ["describe_run", "resume_run", "save_run"]


def save_run(run: Training, folder: Path) -> None:
    """Write a checkpoint, whole or not at all; the previous one stays until it is replaced.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    tensors = dict(run.model.state_dict()) | run.tensors()
    for name, optimizer in run.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{key}": value for key, value in moments.items()}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    arrays |= {f"reference.{name}": value for name, value in run.reference.items()}
    write_checkpoint(folder, arrays, describe_run(run))


def resume_run(run: Training, folder: Path) -> bool:
    """Continue from the checkpoint in a folder, which the first of several processes reads for all.

    Returns
    -------
    bool
        False where there is none.

    Raises
    ------
    BadInputError
        If the checkpoint is damaged or belongs to another run.
    """
    found = run.processes.of_first(lambda: read_checkpoint(folder) if (folder / CHECKPOINT).exists() else None)
    if found is None:
        return False
    arrays, description = found
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    expected = describe_run(run)
    description["settings"] = _unstated(run) | description["settings"]
    description["settings"]["config"] = _defaults(run) | description["settings"]["config"]
    for key in ("recording", "settings"):
        if description[key] != expected[key]:
            raise BadInputError(
                f"{folder} holds another run ({_first_difference(description[key], expected[key])});"
                " choose another --out, or repeat its settings to continue it"
            )
    if missing := run.model.state_dict().keys() - tensors.keys():
        raise BadInputError(
            f"{folder} is of an earlier version, whose models lack {min(missing)}; choose another --out"
        )
    run.model.load_state_dict({key: tensors[key] for key in run.model.state_dict()})
    for name, optimizer in run.optimizers.items():
        state = optimizer.state_dict()
        state["state"] = _nest(tensors, f"optimizer.{name}.")
        optimizer.load_state_dict(state)
    run.resume(description, tensors)
    run.steps, run.trained_s = description["steps"], description["trained_s"]
    realism = description["realism"]
    run.similarity = tuple(
        Similarity(**figures | {"statistic": key_of(figures["statistic"])})
        for figures in realism["statistics"].values()
    )
    run.judged_at_step = realism["judged_at_step"]
    run.one_step = parse_one_step(realism)
    return True


def _unstated(run: Training) -> dict[str, Any]:
    """Return the settings that checkpoints of earlier versions don't state; stretches matter where repeats are cut."""
    every, stretches = run.settings.hold_out, run.settings.held_out_stretches
    whole = holds_out_repeats(run.validation.training, KEPT_EVERY)
    whole = whole and (every == 0 or holds_out_repeats(run.recording, every))
    return {"stop_early": False, "held_out_stretches": stretches if whole else 1}


def _defaults(run: Training) -> dict[str, Any]:
    """Return what the family's own settings are where a checkpoint of an earlier version does not state them."""
    return json.loads(json.dumps(dataclasses.asdict(type(run.settings.config)())))


def describe_run(run: Training) -> dict[str, Any]:
    """Describe the run's recording, settings and progress, as it reads back from JSON: tuples are lists."""
    described = {
        "recording": describe_recording(run.recording),
        "settings": dataclasses.asdict(run.settings),
        "steps": run.steps,
        "trained_s": run.trained_s,
        "stages": run.stages(),
        "realism": describe_realism(run.validation.judged_on, run.judged_at_step, run.similarity, run.one_step),
    }
    return json.loads(json.dumps(described))


def _nest(tensors: dict[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            index, name = key.removeprefix(prefix).split(".")
            nested.setdefault(int(index), {})[name] = value
    return nested


def _first_difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    for key, value in expected.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict) and found[key] != value:
            return _first_difference(found[key], value)
        if found.get(key) != value:
            return f"{key}: {found.get(key)!r:.60}, now {value!r:.60}"
    return "other settings"
