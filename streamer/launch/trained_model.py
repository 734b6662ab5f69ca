"""A trained model, as training from Python returns it: what it is, how close it came, and its export."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.documents import json_values
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.measures.one_step import OneStepScore
from spikeloop.models.measures.similarity import Similarity, in_words, verdict
from spikeloop.models.measures.table import title_of
from spikeloop.models.packages import require_torch
from spikeloop.models.scalars import checked_path, checked_text

__all__ = ["TrainedModel"]


@dataclass(frozen=True, repr=False)
class TrainedModel(ShownAsTable):
    """A trained model, as its checkpoint holds it.

    Attributes
    ----------
    checkpoint : pathlib.Path
        The folder of the checkpoint.
    family, preset : str
    steps : int
        Steps of training in all; 0 of a baseline, which is fitted in one go.
    trained_s : float, s
        Time of training in all.
    device : str
        That it was trained on.
    judged_on : str
        What the similarity was measured with: "held-out repeats" or "training data".
    similarity : tuple of Similarity
        Distance of each statistic from the held-out data, beside that of the training recording itself.
    stopped_early : bool
        Whether training ended before its time, as a part that was kept for this brought nothing better.
    one_step : OneStepScore or None
        How well it predicts each held-out bin from those before it; None of a model that has no likelihood.
    """

    checkpoint: Path
    family: str
    preset: str
    steps: int
    trained_s: float
    device: str
    judged_on: str
    similarity: tuple[Similarity, ...]
    stopped_early: bool = False
    one_step: OneStepScore | None = None

    def export(self, out: str | Path, name: str | None = None, rename: Mapping[str, str] | None = None) -> Bundle:
        """Export the model to a bundle that streams: ONNX, compared with torch before it is written.

        Parameters
        ----------
        out : str or pathlib.Path
            A folder, or a file that ends in `.zip`.
        name : str, default that of `out`
            The bundle's name.
        rename : mapping of str to str, optional
            New names of conditions, such as {"vx": "velocity x [cm/s]"}; values stay as they are.

        Raises
        ------
        BadInputError
            If the checkpoint is gone or damaged, or `out` is no place for a bundle.
        FailureError
            If ONNX Runtime and torch disagree, or the disk refuses.
        """
        out, name = checked_path("out", out), None if name is None else checked_text("name", name)
        require_torch()
        from spikeloop.exporters.export import export_bundle

        return export_bundle(self.checkpoint, out, name, rename)

    def to_dict(self) -> dict[str, Any]:
        """Describe the model in types that JSON has."""
        described = {key: value for key, value in asdict(self).items() if key != "similarity"}
        return described | {
            "checkpoint": str(self.checkpoint),
            "realism": [json_values(row.to_dict()) for row in self.similarity],
        }

    def _table(self) -> Table:
        rows = {"preset": self.preset, "steps": self.steps, "trained": f"{self.trained_s / 60:.1f} min"}
        if self.one_step is not None:
            rows["forecast of the next bin"] = self.one_step.in_words()
        ratios = {
            f"{title_of(row.statistic)}, E/F": f"{row.ratio:.2f}, {in_words(verdict(row))}" for row in self.similarity
        }
        title = f"{self.family} at {self.checkpoint}, compared with {self.judged_on}"
        return title, (), (rows | ratios).items()
