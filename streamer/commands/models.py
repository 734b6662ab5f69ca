"""`spikeloop models`: the bundles at hand."""

import dataclasses

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
        print(f"windows of {card.window_bins} bins, SHA-256 {bundle.sha256[:12]}...")
        print(f"  trained on {_origin(card.training)}")
        print(f"  likeness {_likeness(card.realism)}")
    return 0


def _origin(training: dict) -> str:
    recording = training.get("recording")
    return _printable(recording.get("origin") if isinstance(recording, dict) else None)


def _likeness(realism: dict) -> str:
    try:
        verdicts = [Likeness(**each) for each in realism["statistics"].values()]
        ratios = ", ".join(f"{_printable(each.statistic)} {each.ratio:.2f}" for each in verdicts)
        aucs = [f"{key.replace('_', ' ')} {realism[key]:.2f}" for key in AUCS if isinstance(realism.get(key), float)]
        return f"(E/F, judged on {_printable(realism['judged_on'])}): {', '.join([ratios, *aucs])}"
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):  # a card may say what it likes of it
        return "not judged"


def _printable(text: object) -> str:
    """What a card says, without what would steer a terminal."""
    return "".join(letter for letter in str(text or "(not stated)")[:LONGEST_SHOWN] if letter.isprintable())
