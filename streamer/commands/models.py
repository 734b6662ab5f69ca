"""`spikeloop models`: the bundles at hand."""

import dataclasses

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle, shipped_bundles
from spikeloop.models.measures.likeness import Likeness
from spikeloop.streamer.commands.output import print_json

__all__ = ["models"]


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
    table = Table("name", "family", "units", "bin", "window", "trained on", "E/F (judged on)", box=None, pad_edge=False)
    for bundle in bundles:
        card = bundle.card
        table.add_row(
            Text(card.name),
            Text(card.family),
            str(len(card.unit_names)),
            f"{card.bin_size_s * 1000:g} ms",
            f"{card.window_bins} bins",
            Text(_origin(card.training)),
            Text(_realism(card.realism)),
        )
    Console().print(table)
    return 0


def _origin(training: dict) -> str:
    recording = training.get("recording")
    return str(recording.get("origin", "")) if isinstance(recording, dict) else ""


def _realism(realism: dict) -> str:
    try:
        verdicts = [Likeness(**each) for each in realism["statistics"].values()]
        return f"{', '.join(f'{each.statistic} {each.ratio:.2f}' for each in verdicts)} ({realism['judged_on']})"
    except (KeyError, TypeError, AttributeError):  # a card may say nothing of it, or in other words
        return "not judged"
