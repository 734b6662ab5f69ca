"""Whether the header of a file fits the bundle, and the rest of the file."""

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.capture.verify.compared_spikes import has_times_of_seed
from spikeloop.streamer.capture.verify.stated import Stated
from spikeloop.streamer.conditions.feeds import ArrayFeed
from spikeloop.streamer.conditions.opening import CLOSED_LOOP, LIVE
from spikeloop.streamer.conditions.steered import by_itself
from spikeloop.streamer.mqtt.condition import MQTT

__all__ = ["columns_of", "misfits"]

WITH_MORE = ("constant:", "file:", "phase:", LIVE)  # and something after it
ALONE = ("rest", "phase", ArrayFeed.asked, CLOSED_LOOP, MQTT)


def misfits(recorded: Stated, bundle: Bundle) -> list[str]:
    """Return what of the header does not fit the bundle or the file itself, in sentences."""
    of_header = [*_of_bundle(recorded, bundle), *_of_condition(recorded, bundle)]
    return [*recorded.damage, *of_header, *_of_file(recorded, bundle)]


def _of_bundle(recorded: Stated, bundle: Bundle) -> list[str]:
    made_by, card = recorded.provenance, bundle.card
    problems = []
    if made_by.sha256 != bundle.sha256:
        problems.append(
            f"the bundle is another: the file says {made_by.bundle} with SHA-256 {made_by.sha256[:12]}..., found"
            f" {card.name} with {bundle.sha256[:12]}...; give the right one with --bundle PATH"
        )
    facts = {
        "name": (made_by.bundle, card.name),
        "signal": (made_by.signal, card.signal),
        "latency, in bins,": (made_by.latency_bins, card.latency_bins),
    }
    problems += [
        f"the header's {what} is another than the bundle's: expected {of_card}, found {said}"
        for what, (said, of_card) in facts.items()
        if said != of_card
    ]
    if not same_bin_size(made_by.bin_size_s, card.bin_size_s):
        sizes = 1000 * card.bin_size_s, 1000 * made_by.bin_size_s
        problems.append(f"the header's bins are not the bundle's: expected {sizes[0]:g} ms, found {sizes[1]:g} ms")
    return problems


def _of_condition(recorded: Stated, bundle: Bundle) -> list[str]:
    asked, channels = recorded.provenance.condition, bundle.card.channels
    problems = []
    if not _is_known(asked, bool(channels)):
        problems.append(
            f"the header's condition is none that drives a stream: expected such as rest, constant:0.5,-1 or"
            f" lsl:STREAM, found {asked!r:.60}"
        )
    names, found = tuple(channel.name for channel in channels), recorded.channel_names
    if found is not None and found[: len(names)] != names:
        problems.append(f"the conditions are others: expected {', '.join(names)}, found {', '.join(found)}")
    elif recorded.channels is not None and recorded.channels != channels:
        problems.append("the units or ranges of the conditions are others than the bundle's")
    return problems


def _is_known(asked: str, driven: bool) -> bool:
    """Say whether a stream, or a file, can have been driven by this, as a user asked for it."""
    words = by_itself(asked)
    if not driven:
        return asked == ""
    return words in ALONE or any(words.startswith(kind) and words != kind for kind in WITH_MORE)


def _of_file(recorded: Stated, bundle: Bundle) -> list[str]:
    made_by, card, problems = recorded.provenance, bundle.card, []
    columns = columns_of(recorded, bundle)
    if columns is None:
        problems.append(
            f"the units are others: expected some of the {len(card.unit_names)} of {card.name}, found"
            f" {len(recorded.unit_names)}; no bin was compared"
        )
    if recorded.bins[0] < 0:
        problems.append(
            f"the stamps are not those of the stream: {int((recorded.bins < 0).sum())} bins are from before its start;"
            " no bin was compared"
        )
    if recorded.off_bins > 0:
        problems.append(
            f"the file's times are not those of its header: {recorded.off_bins:g} of a bin lies between the beginning"
            " of its bins and what the start and the size of bins in its header say"
        )
    of_all = columns is None or len(columns) == len(card.unit_names)
    if of_all and has_times_of_seed(recorded) is False:
        problems.append(f"the seed is another: seed {made_by.seed} puts the first spikes elsewhere in their bins")
    return problems


def columns_of(recorded: Stated, bundle: Bundle) -> NDArray[np.int64] | None:
    """Return which units of the population were recorded, by their names; None where some are not of it."""
    names = bundle.card.unit_names
    if recorded.unit_names == names:
        return np.arange(len(names))
    places = {name: place for place, name in enumerate(names)}
    known = len(places) == len(names) and len(set(recorded.unit_names)) == len(recorded.unit_names)
    if not known or not all(name in places for name in recorded.unit_names):
        return None
    return np.array([places[name] for name in recorded.unit_names])
