"""The results of importance maps, as a document and as printed lines."""

from typing import Any

from spikeloop.exporters.card import Card
from spikeloop.models.importance.summary import ImportanceSummary

__all__ = ["findings_as_json", "print_findings"]

SHOWN_UNITS = 5


def findings_as_json(summary: ImportanceSummary, card: Card) -> dict[str, Any]:
    """By unit, lag and pattern, and the mean of all spikes."""
    names, spikes = card.unit_names, summary.spikes.sum()
    of_units = {
        "spikes": summary.spikes,
        "importance": summary.importance,
        "standard_error": summary.importance_error,
        "window_importance": summary.window_importance,
        "window_standard_error": summary.window_error,
    }
    of_lags = {
        "importance": summary.lag_importance,
        "standard_error": summary.lag_error,
        "own_importance": summary.own_lag_importance,
        "own_standard_error": summary.own_lag_error,
    }
    return {
        "mean_importance": float(summary.window_importance.sum() * summary.windows / spikes) if spikes else None,
        "units": [
            {"unit": name} | {key: float(values[unit]) for key, values in of_units.items()}
            for unit, name in enumerate(names)
        ],
        "lags": [
            {"lag_ms": lag * card.bin_size_s * 1000} | {key: float(values[lag]) for key, values in of_lags.items()}
            for lag in range(len(summary.lag_importance))
        ],
        "patterns": [
            {
                "units": [names[unit] for _, unit in pattern.spikes],
                "occurrences": pattern.occurrences,
                "importance": pattern.importance,
            }
            for pattern in summary.patterns
        ],
    }


def print_findings(document: dict[str, Any]) -> None:
    """The document that the command prints as JSON, in words for people."""
    shape = " x ".join(map(str, document["shape"]))
    print(
        f"{document['file']}: {document['method']} maps of {document['data']}, {shape},"
        f" {document['maps_a_second']:,.1f} a second"
    )
    if document["capped_spans"]:
        capped = document["capped_spans"]
        print(f"{capped} spans have more arrangements than were scored; raise --most-arrangements for all")
    if document["compared_spikes"]:
        print(
            f"rank correlation with exact {document['rank_correlation']:.3f}, of {document['compared_spikes']} spikes"
        )
    if document["mean_importance"] is None:
        print("no spikes in any window")
    else:
        print(f"mean importance of a spike {document['mean_importance']:.3g}; units that matter most in a window:")
        for row in sorted(document["units"], key=lambda row: -row["window_importance"])[:SHOWN_UNITS]:
            print(
                f"  {row['unit']}: {row['window_importance']:.3g} ± {row['window_standard_error']:.2g},"
                f" of a spike {row['importance']:.3g} ± {row['standard_error']:.2g}"
            )
    if document["plot"] is not None:
        print(f"picture: {document['plot']}")
