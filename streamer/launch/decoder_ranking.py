"""What a comparison of decoders offline returns: the scores of every decoder, as a table, a document and a page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.decoders.cross_validation import CrossValidation
from spikeloop.models.errors import FailureError
from spikeloop.models.evaluation.decoder_ranking import OfflineComparison, OfflineScore
from spikeloop.models.evaluation.rank_agreement import LEAST_RANKED, largest_difference, rank_correlation
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.measures.falcon_scores import session_scores
from spikeloop.models.whole_file import file_path, whole_file

__all__ = ["DecoderRanking", "IncompleteRankingError", "whole_ranking"]


@dataclass(frozen=True, eq=False, repr=False)
class DecoderRanking(ShownAsTable):
    """How well decoders decode a recording, as `compare_decoders` returns it.

    Attributes
    ----------
    comparison : OfflineComparison
        The scores of every decoder, fold by fold.
    """

    comparison: OfflineComparison

    def to_dict(self) -> dict[str, Any]:
        """Convert to the document that `spikeloop decode --json` prints, all of what JSON holds."""
        return json_values(_document(self.comparison))

    def write_report(self, path: str | Path, origin: Origin | None = None) -> None:
        """Write table and pictures as one HTML page.

        Parameters
        ----------
        path : str or Path, ending in .html
        origin : Origin, default None
            What made it, which the page says at its end.

        Raises
        ------
        BadInputError
            If it ends in anything else.
        FailureError
            If Matplotlib is not installed, or the disk refuses.
        """
        from spikeloop.exporters.pages.decoders import decoding_page

        report = file_path("--report", path, ".html")
        page = decoding_page(self.comparison, origin)
        with whole_file(report) as file:
            file.write(page)

    def _table(self) -> Table:
        """The mean R2 of every decoder."""
        rows = [
            (
                score.decoder,
                f"{score.bin_size_s * 1000:g}",
                "-" if score.history_s is None else f"{score.history_s * 1000:g}",
                f"{score.recorded.r_squared.mean():.3f}",
            )
            for score in self.comparison.scores
        ]
        return f"Decoders of {self.comparison.recording.name}", ("decoder", "bin (ms)", "history (ms)", "R2"), rows


class IncompleteRankingError(FailureError):
    """A decoder failed; `ranking` holds the others.

    Parameters
    ----------
    message : str
    ranking : DecoderRanking
    """

    def __init__(self, message: str, ranking: DecoderRanking) -> None:
        super().__init__(message)
        self.ranking = ranking


def whole_ranking(ranking: DecoderRanking) -> DecoderRanking:
    """Return a ranking in which no decoder failed.

    Raises
    ------
    IncompleteRankingError
        If one did.
    FailureError
        If no decoder is left, or too few to rank.
    """
    comparison = ranking.comparison
    if not comparison.failures:
        return ranking
    message = f"decoders failed: {'; '.join(comparison.failures.values())}"
    left = len({score.decoder for score in comparison.scores})
    if left < (1 if comparison.bundle is None else LEAST_RANKED):
        raise FailureError(message)
    raise IncompleteRankingError(f"{message}; the results are those of the others", ranking)


def _document(comparison: OfflineComparison) -> dict[str, Any]:
    """Means with intervals by decoder and bin width; and where there is a bundle, how alike the ranks are."""
    rankings = [
        {"bin_ms": size_s * 1000, "rank_correlation": rank_correlation(scores), "decoders": len(scores),
         "largest_difference": largest_difference(scores)}
        for size_s, scores in comparison.by_width().items()
        if comparison.bundle is not None
    ]  # fmt: skip
    return {
        "recording": comparison.recording.name,
        "target": comparison.columns,
        "units": comparison.recording.units,
        "lag_ms": comparison.lag_s * 1000,
        "folds": comparison.task.folds,
        "judged_on": comparison.judged_on,
        "bundle": comparison.bundle,
        "failures": dict(comparison.failures),
        "decoders": [
            {
                "decoder": score.decoder,
                "bin_ms": score.bin_size_s * 1000,
                "history_ms": None if score.history_s is None else score.history_s * 1000,
                "history_bins": score.history_bins,
            }
            | {
                kind: found and _figures(found, comparison.columns)
                for kind, found in (("recorded", score.recorded), ("generated", score.generated))
            }
            | {"falcon": _falcon(score)}
            for score in comparison.scores
        ],
        "rankings": rankings,
    }


def _falcon(score: OfflineScore) -> dict[str, Any]:
    """Scores as the FALCON challenge has them, the folds its held-in sessions; the latency is of no seed."""
    return {
        "held_in": asdict(session_scores(score.recorded.variance_weighted)),
        "held_out": asdict(session_scores(score.held_out)),
    }


def _figures(found: CrossValidation, columns: Sequence[str]) -> dict[str, Any]:
    """Means over columns, and of each column."""
    return {
        measure: asdict(fold_mean(values.mean(axis=1)))
        | {"folds": values.mean(axis=1).tolist()}
        | {"columns": {name: asdict(fold_mean(scores)) for name, scores in zip(columns, values.T, strict=True)}}
        for measure, values in (("r_squared", found.r_squared), ("correlation", found.correlation))
    }
