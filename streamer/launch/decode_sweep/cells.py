"""The cells of a sweep of `decode`, each of one decoder; and what a worker does with one."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.documents import json_values
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.spec import decoder_specs
from spikeloop.models.errors import FailureError, SpikeloopError
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison
from spikeloop.models.recordings.provenance import THIS_VERSION
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.batch.cells import Columns
from spikeloop.streamer.batch.engine import could_not_run
from spikeloop.streamer.inference.decoder_hash import decoder_sha256
from spikeloop.streamer.launch.compare_decoders import compare_specs

__all__ = ["COLUMNS", "RECORDED", "DecodeCell", "recording_sha256", "run_task"]

RECORDED = "none"  # as bundle: the recorded spikes alone
COLUMNS = Columns(
    texts=("recording", "recording_sha256", "bundle", "decoder", "failure"),
    wholes=("seed",),
    numbers=("bin_ms", "history_ms", "r_squared", "correlation", "falcon_r_squared", "generated_r_squared",
             "generated_correlation"),
    lists_of_numbers=("r_squared_of_folds",),
)  # fmt: skip


@dataclass(frozen=True)
class DecodeCell:
    """A decoder on a recording.

    Attributes
    ----------
    recording, bundle, decoder : str
        As on the command line; `none` for no bundle.
    bin_ms : float or None
        Of the decoder; None for that of the recording.
    seed : int
    recording_sha256, bundle_sha256, decoder_sha256 : str
        Of counts and conditions, of the bundle and of the decoder's file; empty where there is none.
    options : dict
        Further options of `compare_decoders`, by name.
    """

    recording: str
    bundle: str
    decoder: str
    bin_ms: float | None
    seed: int
    recording_sha256: str
    bundle_sha256: str
    decoder_sha256: str
    options: Mapping[str, Any]

    @property
    def task(self) -> str:
        """What a worker gets: the cell as JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @property
    def key(self) -> str:
        """A hash of all that the figures depend on."""
        return sha256(f"{THIS_VERSION} decode {self.task}".encode()).hexdigest()[:24]

    @property
    def axes(self) -> dict[str, Any]:
        """The values that identify it."""
        return {name: getattr(self, name) for name in ("recording", "bundle", "decoder", "seed")}

    def __str__(self) -> str:
        width = "" if self.bin_ms is None else f", bins of {self.bin_ms:g} ms"
        return f"{self.recording}, bundle {self.bundle}, {self.decoder}{width}, seed {self.seed}"


def recording_sha256(recording: Recording) -> str:
    """Return a hash of counts and conditions, and of what says which bins are when."""
    found = sha256(json.dumps([recording.bin_size_s, recording.unit_names, recording.counts.shape]).encode())
    for values in (recording.counts, recording.conditions, recording.lengths):
        if values is not None:
            found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def run_task(task: str) -> str:
    """Run a cell, and return its row, which is the same wherever it runs.

    Parameters
    ----------
    task : str
        As of `DecodeCell.task`.

    Returns
    -------
    str
        JSON: the cell and its figures; where the decoder failed, the reason. Of a cell that could not run, as of
        `could_not_run`.
    """
    cell = DecodeCell(**json.loads(task))
    try:
        recording = _read(cell.recording, cell.recording_sha256)
        bundle_sha256 = "" if cell.bundle == RECORDED else load_bundle(cell.bundle).sha256
        if (bundle_sha256, decoder_sha256(cell.decoder)) != (cell.bundle_sha256, cell.decoder_sha256):
            raise _other("bundle or decoder")
        comparison = compare_specs(
            recording,
            decoder_specs([cell.decoder]),
            bundle=None if cell.bundle == RECORDED else cell.bundle,
            decoder_bins_s=() if cell.bin_ms is None else [cell.bin_ms / 1000],
            seed=cell.seed,
            **cell.options,
        )
    except SpikeloopError as error:
        return could_not_run(f"{cell}: {error}")
    return json.dumps(json_values(_row(cell, comparison)), allow_nan=False)


@lru_cache(maxsize=1)
def _read(name: str, expected_sha256: str) -> Recording:
    """The recording of the cell before, as most cells in a row have the same."""
    recording = read_recording(name)
    if recording_sha256(recording) != expected_sha256:
        raise _other("recording")
    return recording


def _other(what: str) -> FailureError:
    return FailureError(f"the worker found another {what} of that name; give every machine the same files")


def _row(cell: DecodeCell, comparison: OfflineComparison) -> dict[str, Any]:
    """The time that the decoder took is left out: it is of the machine."""
    (score, *_) = (*comparison.scores, None)
    recorded, generated = (None, None) if score is None else (score.recorded, score.generated)
    return {
        "recording": cell.recording,
        "recording_sha256": cell.recording_sha256,
        "bundle": cell.bundle,
        "decoder": cell.decoder,
        "seed": cell.seed,
        "bin_ms": 1000 * comparison.recording.bin_size_s if cell.bin_ms is None else cell.bin_ms,
        "history_ms": None if score is None or score.history_s is None else 1000 * score.history_s,
        "r_squared": math.nan if recorded is None else recorded.r_squared.mean(),
        "correlation": math.nan if recorded is None else recorded.correlation.mean(),
        "falcon_r_squared": math.nan if recorded is None else np.mean(recorded.variance_weighted),
        "generated_r_squared": math.nan if generated is None else generated.r_squared.mean(),
        "generated_correlation": math.nan if generated is None else generated.correlation.mean(),
        "r_squared_of_folds": [] if recorded is None else recorded.r_squared.mean(axis=1),
        "failure": "; ".join(comparison.failures.values()),
    }
