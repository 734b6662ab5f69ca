"""`spikeloop models`: the bundles at hand."""

import dataclasses
import math
from typing import Annotated

from tyro.conf import Positional

from spikeloop.exporters.bundle import bundles, load_bundle
from spikeloop.exporters.remote.offers import remote_bundles
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.measures.similarity import MEANING_OF_RATIO, Similarity, mean_ratio, worst_of
from spikeloop.models.measures.table import title_of
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import print_json

__all__ = ["models"]

LONGEST_SHOWN = 300
AUCS = ("two_sample_auc", "memorisation_auc")


def models(
    paths: Positional[tuple[str, ...]] = (),
    *,
    remote: Annotated[str | None, option("SOURCE", default="")] = None,
    json: bool = False,
) -> int:
    """List the bundles that ship, others by path, or what can be pulled.

    Parameters
    ----------
    paths : tuple of str
        further bundles, as folders, .zip files, or addresses of what was pulled
    remote : str, optional
        list what can be pulled instead: hf:OWNER of the Hugging Face hub, or the https: address of an index
    json : bool
        print the bundles' cards as one JSON document
    """
    if remote is not None:
        if paths:
            raise BadInputError(f"--remote: expected no other bundles beside it, found {paths[0]!r:.100}")
        return _list_remote(remote, json)
    at_hand = [load_bundle(name_or_path) for name_or_path in (*bundles(), *paths)]
    if json:
        print_json([dataclasses.asdict(bundle.card) | {"sha256": bundle.sha256} for bundle in at_hand])
        return 0
    for bundle in at_hand:
        card = bundle.card
        print(f"{card.name}: {card.family}, {len(card.unit_names)} units, {card.bin_size_s * 1000:g} ms bins,", end=" ")
        length = "without end" if card.kind == "stream" else f"windows of {card.window_bins} bins"
        print(f"{length}, graph version {card.graph_version}, SHA-256 {bundle.sha256[:12]}...")
        if card.channels:
            channels = ", ".join(f"{channel.name} ({channel.unit})" for channel in card.channels)
            print(f"  driven by {channels}; spikes {card.latency_bins} bins late")
        print(f"  trained on {_origin(card.training)}")
        print(f"  similarity {_similarity(card.realism)}")
        if (one_step := parse_one_step(card.realism)) is not None:
            print(f"  forecast of the next bin {one_step.in_words()}")
    print(f"({MEANING_OF_RATIO})")
    return 0


def _list_remote(source: str, json: bool) -> int:
    offers = remote_bundles(source)
    if json:
        print_json([dataclasses.asdict(offer) | {"command": offer.command} for offer in offers])
        return 0
    for offer in offers:
        print(f"{offer.address}{f': {offer.description}' if offer.description else ''}\n  {offer.command}")
    if not offers:
        print(f"{source} offers no bundles")
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
