"""A comparison's decoders by the scores of the FALCON challenge, beside the loop's own figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikeloop.models.decoders.spec import KINDS, DecoderSpec
from spikeloop.models.decoders.stopwatch import ComputeTime
from spikeloop.models.measures.falcon_scores import SessionScores, session_scores
from spikeloop.streamer.closedloop.comparison import Run

__all__ = ["FalconReport", "falcon_of", "normalized_latencies"]


@dataclass(frozen=True)
class FalconReport:
    """A decoder's variance-weighted R2 on the held-out end of each session's calibration block.

    Attributes
    ----------
    decoder : str
    held_in : SessionScores
        Of sessions from which it learned: of a decoder that is fitted, all.
    held_out : SessionScores
        Of sessions from which it didn't: of a decoder from a file that had learned before, all.
    """

    decoder: str
    held_in: SessionScores
    held_out: SessionScores


def falcon_of(name: str, spec: DecoderSpec, runs: Sequence[Run]) -> FalconReport:
    """Score a decoder's sessions."""
    offline = [run.record.offline for run in runs if run.record.offline is not None]
    scores, none = session_scores(found.variance_weighted for found in offline), session_scores(())
    had_learned = spec.kind in KINDS and KINDS[spec.kind].had_learned
    return FalconReport(name, *((none, scores) if had_learned else (scores, none)))


def normalized_latencies(runs: Sequence[Run]) -> Mapping[str, float]:
    """Compute time over neural time of each decoder that runs here, of all of its sessions."""
    taken: dict[str, ComputeTime] = {}
    for run in runs:
        if run.taken is not None and run.taken.neural_s:
            taken.setdefault(run.decoder, ComputeTime()).add(run.taken)
    return {decoder: every.normalized_latency for decoder, every in taken.items()}
