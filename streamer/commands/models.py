"""`spikeloop models`: the bundles at hand."""

import dataclasses
import math

from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.measures.likeness import Likeness
from spikeloop.streamer.commands.output import print_json

__all__ = ["models"]

LONGEST_SHOWN = 300
AUCS = ("two_sample_auc", "memorisation_auc")


def models(paths: Positional[tuple[str, ...]] = (), *, json: bool = False) -> int:
    """List bundles with their cards: those that ship, and others by path.

    Parameters
    ----------
    paths
        further bundles, as folders or .zip
    json
        print one JSON document
    """
    bundles = [read_bundle(name_or_path) for name_or_path in (*shipped_bundles(), *paths)]
    if json:
        print_json([dataclasses.asdict(bundle.card) | {"sha256": bundle.sha256} for bundle in bundles])
        return 0
    for bundle in bundles:
        card = bundle.card
        print(f"{card.name}: {card.family}, {len(card.unit_names)} units, {card.bin_size_s * 1000:g} ms bins,", end=" ")
        length = "without end" if card.kind == "stream" else f"windows of {card.window_bins} bins"
        print(f"{length}, SHA-256 {bundle.sha256[:12]}...")
        if card.channels:
            channels = ", ".join(f"{each.name} ({each.unit})" for each in card.channels)
            print(f"  driven by {channels}; spikes {card.latency_bins} bins late")
        print(f"  trained on {_origin(card.training)}")
        print(f"  likeness {_likeness(card.realism)}")
    return 0


def _origin(training: dict) -> str:
    recording = training.get("recording")
    return _printable(recording.get("origin") if isinstance(recording, dict) else None)


def _likeness(realism: dict) -> str:
    try:
        verdicts = [Likeness(**each) for each in realism["statistics"].values()]
        ratios = [each.ratio for each in verdicts if math.isfinite(each.ratio)]
        worst = max(verdicts, key=lambda each: each.ratio if math.isfinite(each.ratio) else 0)
        aucs = [f", {key.replace('_auc', ' AUC')} {realism[key]:.2f}" for key in AUCS if key in realism]
        return (
            f"mean E/F {sum(ratios) / len(ratios):.2f}, worst {worst.ratio:.2f} ({_printable(worst.statistic)})"
            f"{''.join(aucs)};\n    judged on {_printable(realism['judged_on'])}"
        )
    except (
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        OverflowError,
        ZeroDivisionError,
    ):  # a card may say what it likes of it
        return "not judged"


def _printable(text: object) -> str:
    """What a card says, without what would steer a terminal."""
    return "".join(letter for letter in str(text or "(not stated)")[:LONGEST_SHOWN] if letter.isprintable())
