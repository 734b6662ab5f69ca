"""`spikeloop models`: the bundles at hand."""

import dataclasses
import math

from tyro.conf import Positional

from spikeloop.exporters.bundle import bundles, load_bundle
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.measures.similarity import Similarity, mean_ratio, worst_of
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.commands.output import print_json

__all__ = ["models"]

LONGEST_SHOWN = 300
AUCS = ("two_sample_auc", "memorisation_auc")


def models(paths: Positional[tuple[str, ...]] = (), *, json: bool = False) -> int:
    """List the bundles that ship, and others by path.

    Parameters
    ----------
    paths : tuple of str
        further bundles, as folders or .zip files
    json : bool
        print the bundles' cards as one JSON document
    """
    at_hand = [load_bundle(name_or_path) for name_or_path in (*bundles(), *paths)]
    if json:
        print_json([dataclasses.asdict(bundle.card) | {"sha256": bundle.sha256} for bundle in at_hand])
        return 0
    for bundle in at_hand:
        card = bundle.card
        print(f"{card.name}: {card.family}, {len(card.unit_names)} units, {card.bin_size_s * 1000:g} ms bins,", end=" ")
        length = "without end" if card.kind == "stream" else f"windows of {card.window_bins} bins"
        print(f"{length}, SHA-256 {bundle.sha256[:12]}...")
        if card.channels:
            channels = ", ".join(f"{channel.name} ({channel.unit})" for channel in card.channels)
            print(f"  driven by {channels}; spikes {card.latency_bins} bins late")
        print(f"  trained on {_origin(card.training)}")
        print(f"  similarity {_similarity(card.realism)}")
        if (one_step := parse_one_step(card.realism)) is not None:
            print(f"  forecast of the next bin {one_step.in_words()}")
    return 0


def _origin(training: dict) -> str:
    recording = training.get("recording")
    return _printable(recording.get("origin") if isinstance(recording, dict) else None)


def _similarity(realism: dict) -> str:
    try:
        verdicts = [Similarity(**entry) for entry in realism["statistics"].values()]
        worst, mean, dynamic = worst_of(verdicts), mean_ratio(verdicts), mean_ratio(verdicts, "dynamic")
        if math.isnan(mean):
            return "not judged"
        aucs = [f", {key.replace('_auc', ' AUC')} {realism[key]:.2f}" for key in AUCS if key in realism]
        return (
            f"mean E/F {mean:.2f}, worst {worst.ratio:.2f}"
            f" ({_printable(title_of(worst.statistic))}){''.join(aucs)};"
            f"{'' if math.isnan(dynamic) else f' dynamic statistics: mean E/F {dynamic:.2f};'}"
            f"\n    judged on {_printable(realism['judged_on'])}"
        )
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):  # a card's entry may be anything
        return "not judged"


def _printable(text: object) -> str:
    """Return the text of a card without the characters that would steer a terminal."""
    return "".join(letter for letter in str(text or "(not stated)")[:LONGEST_SHOWN] if letter.isprintable())
