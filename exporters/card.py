"""A bundle's card, `card.json`: what the model is; read with every entry checked."""

import dataclasses
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import BASELINES
from spikeloop.models.recordings.checks import LONGEST_BIN_S, SHORTEST_BIN_S, is_label
from spikeloop.models.recordings.condition import Condition, conditions_from
from spikeloop.models.recordings.recording import Signal

__all__ = ["CARD", "FORMAT_VERSION", "GRAPH_VERSION", "Card", "format_card", "parse_card"]

CARD = "card.json"
FORMAT_VERSION = 1
GRAPH_VERSION = 2  # one more whenever an export of the same weights gives other spikes for a seed than before
LONGEST_WINDOW = 2**16  # bins
LARGEST_NOISE = 2**20
DISTRIBUTIONS = ("bernoulli", "counts", "fluorescence")


@dataclass(frozen=True)
class Card:
    """What a bundle holds; `card.json`.

    Attributes
    ----------
    name, family : str
    kind : "window" or "stream"
        Independent windows of `window_bins`, or bin after bin with a state that is passed on.
    unit_names : tuple of str
    bin_size_s : float from 1e-5 to 10, s
    window_bins : int, bins
        Of the windows that the model was judged by; of kind "window", those that it generates.
    latent_size : int
        Gaussian numbers that a "window" generator needs for a window.
    uniform_size, normal_size : int
        Random numbers that a "stream" generator needs for a bin.
    count_distribution : "bernoulli", "counts" or "fluorescence"
        What a unit emits in a bin: 0 or 1, a count, or a trace.
    latency_bins : int, bins
        By how much later spikes follow what drives them than they did in the recording.
    conditions : tuple of dict
        What drives it, with the entries of `Condition`.
    state_tensors : tuple of str
        Names of the tensors that a "stream" generator passes from bin to bin; `parameters.npz` has the first ones.
    training : dict
        Recording, origin, settings, seed and duration of the training.
    realism : dict
        Measured similarity, one entry for each statistic.
    files : dict of str to str
        SHA-256 of every other file of the bundle, by name.
    format_version : int
    graph_version : int
        Of the generator's arithmetic; exports of the same weights with another one give other spikes for a seed. 1
        where the card does not say.
    """

    name: str
    family: str
    kind: str
    unit_names: tuple[str, ...]
    bin_size_s: float
    window_bins: int
    latent_size: int = 0
    uniform_size: int = 0
    normal_size: int = 0
    count_distribution: str = "bernoulli"
    latency_bins: int = 0
    conditions: tuple[dict, ...] = ()
    state_tensors: tuple[str, ...] = ()
    training: dict = field(default_factory=dict)
    realism: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    graph_version: int = 1

    @property
    def signal(self) -> Signal:
        """What it streams, "spikes" or "fluorescence"."""
        return "fluorescence" if self.count_distribution == "fluorescence" else "spikes"

    @property
    def channels(self) -> tuple[Condition, ...]:
        """The conditions that drive it."""
        return conditions_from(self.conditions, self.name)


def format_card(card: Card) -> bytes:
    """Write the card as JSON."""
    return (json.dumps(dataclasses.asdict(card), indent=1) + "\n").encode()


def parse_card(content: bytes, path: Path) -> Card:
    """Read a card; entries that this version doesn't know are ignored.

    Parameters
    ----------
    content : bytes
        JSON.
    path : pathlib.Path
        Of the bundle, for messages.

    Raises
    ------
    BadInputError
        If it is no JSON, of another format, incomplete, or of a model that can't be streamed.
    """
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: {CARD} is not JSON ({error}); get the bundle again") from error
    if not isinstance(entries, dict) or entries.get("format_version") != FORMAT_VERSION:
        found = entries.get("format_version") if isinstance(entries, dict) else None
        raise BadInputError(f"{path}: expected bundle format {FORMAT_VERSION}, found {found!r:.60}; update spikeloop")
    values = {}
    for item in dataclasses.fields(Card):
        if item.name in entries:
            values[item.name] = _checked(item.name, entries[item.name], item.type, path)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise BadInputError(f"{path}: {CARD} lacks {item.name}; get the bundle again")
    card = Card(**values)
    _check_card(card, path)
    return card


def _checked(name: str, value: Any, expected: Any, path: Path) -> Any:
    """Return the value, if it has the field's type; lists become tuples."""
    kind = get_origin(expected) or expected
    if kind is tuple:
        member = get_args(expected)[0]
        if isinstance(value, list) and all(isinstance(entry, member) for entry in value):
            return tuple(value)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    elif isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise BadInputError(f"{path}: {CARD} has {name} = {value!r:.60}, expected {getattr(kind, '__name__', kind)}")


def _check_card(card: Card, path: Path) -> None:
    baseline, endless = card.family in BASELINES, card.kind == "stream"
    by_bin = endless and not baseline
    checks = {
        "kind": endless or (card.kind == "window" and not baseline),
        "count_distribution": card.count_distribution in (DISTRIBUTIONS if by_bin else DISTRIBUTIONS[:1]),
        "name": is_label(card.name),
        "family": is_label(card.family),
        "unit_names": len(card.unit_names) >= 1 and all(map(is_label, card.unit_names)),
        "bin_size_s": SHORTEST_BIN_S <= card.bin_size_s <= LONGEST_BIN_S,
        "window_bins": 1 <= card.window_bins <= LONGEST_WINDOW,
        "latent_size": card.latent_size == 0 if endless else 1 <= card.latent_size <= LARGEST_NOISE,
        "uniform_size": 1 <= card.uniform_size <= LARGEST_NOISE if by_bin else card.uniform_size == 0,
        "normal_size": 0 <= card.normal_size <= LARGEST_NOISE if by_bin else card.normal_size == 0,
        "latency_bins": 0 <= card.latency_bins <= LONGEST_WINDOW if card.conditions else card.latency_bins == 0,
        "conditions": by_bin or not card.conditions,
        "state_tensors": len(set(card.state_tensors)) == len(card.state_tensors) and bool(card.state_tensors) == by_bin,
        "graph_version": card.graph_version >= 1,
        "files": all(isinstance(digest, str) for digest in card.files.values()),
    }
    for name, holds in checks.items():
        if not holds:
            raise BadInputError(
                f"{path}: {CARD} has {name} = {getattr(card, name)!r:.60}, which this spikeloop can't stream; update it"
            )
    conditions_from(card.conditions, f"{path}: {CARD}")
