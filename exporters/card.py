"""A bundle's card: what the model is, as `card.json`; read with every entry checked."""

import dataclasses
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from spikeloop.models.baselines import BASELINES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, conditions_from
from spikeloop.models.recordings.recording import LONGEST_BIN_S, SHORTEST_BIN_S, Signal, is_label

__all__ = ["CARD", "FORMAT_VERSION", "Card", "format_card", "parse_card"]

CARD = "card.json"
FORMAT_VERSION = 1
LONGEST_WINDOW = 2**16  # bins
LARGEST_NOISE = 2**20
DISTRIBUTIONS = ("bernoulli", "counts", "fluorescence")


@dataclass(frozen=True)
class Card:
    """What a bundle holds; `card.json`.

    Attributes
    ----------
    kind : "window" (independent windows of `window_bins`) or "stream" (state in, state out)
    count_distribution : what a unit emits in a bin: "bernoulli" (0 or 1), "counts" or "fluorescence"
    latency_bins : bins by which spikes come later, relative to what drives them, than they did in the recording
    window_bins : of the windows that it was judged by; what kind "window" gives at a time
    latent_size : Gaussian numbers that a "window" generator takes for a window
    uniform_size, normal_size : random numbers that a "stream" generator takes for a bin
    conditions : what drives it, as of `Condition`
    state_tensors : names of the tensors that a "stream" generator hands from bin to bin; `parameters.npz` has the first
    training : recording, origin, settings, seed and duration of the training
    realism : measured likeness, one entry a statistic
    files : SHA-256 of every other file of the bundle, by name
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

    @property
    def signal(self) -> Signal:
        """What it streams."""
        return "fluorescence" if self.count_distribution == "fluorescence" else "spikes"

    @property
    def channels(self) -> tuple[Condition, ...]:
        """The conditions, as data."""
        return conditions_from(self.conditions, self.name)


def format_card(card: Card) -> bytes:
    """The card as JSON."""
    return (json.dumps(dataclasses.asdict(card), indent=1) + "\n").encode()


def parse_card(content: bytes, path: Path) -> Card:
    """Read a card; entries that this version doesn't know are passed over.

    Parameters
    ----------
    path : of the bundle, for messages

    Raises
    ------
    BadInputError
        If it is no JSON, of another format, incomplete, or says what can't be streamed.
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
    """The value, if it has the field's type; lists become tuples."""
    kind = get_origin(expected) or expected
    if kind is tuple:
        member = get_args(expected)[0]
        if isinstance(value, list) and all(isinstance(each, member) for each in value):
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
        "files": all(isinstance(digest, str) for digest in card.files.values()),
    }
    for name, holds in checks.items():
        if not holds:
            raise BadInputError(
                f"{path}: {CARD} has {name} = {getattr(card, name)!r:.60}, which this spikeloop can't stream; update it"
            )
    conditions_from(card.conditions, f"{path}: {CARD}")
