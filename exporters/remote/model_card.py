"""The model card of a repository, README.md, written from a bundle's card."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spikeloop.exporters.addresses import HubAddress
from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.remote.hub import TAG
from spikeloop.models.measures.one_step import parse_one_step
from spikeloop.models.measures.similarity import Similarity, in_words, verdict
from spikeloop.models.measures.table import title_of

__all__ = ["model_card"]

REPOSITORY = "https://github.com/spikeloop/spikeloop"
LONGEST = 300  # characters of a text from a card
TAGS = (TAG, "neuroscience", "brain-computer-interface", "spike-trains")


def model_card(bundle: Bundle, address: HubAddress, licence: str = "", signed: bool = False) -> str:
    """Write a model card, as the Hugging Face hub shows it: what the model is, how good, and how it is streamed.

    Parameters
    ----------
    bundle : Bundle
    address : HubAddress
        Where it will be.
    licence : str, default none is stated
        By the hub's identifiers, such as "apache-2.0" or "cc-by-4.0".
    signed : bool
        Whether a signature comes with it.

    Returns
    -------
    str
        Markdown, with a header in YAML.
    """
    card = bundle.card
    parts = (
        _header(card, licence), f"# {_text(card.name)}", _summary(card), _use(bundle, address, signed),
        _facts(bundle), _realism(card), _training(card), LIMITS, _licence(licence), SOURCE,
    )  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


LIMITS = """## Limits

The model generates spikes like those of the recording that it was trained on: those units, in that animal, under those
conditions. It says nothing about other ones. It is made for building and testing software; it is no medical device. The
repository holds weights and summary statistics, not the recording."""

SOURCE = f"""## Source

Made with [spikeloop]({REPOSITORY}). Its models follow Molano-Mazon, Onken, Piasini, Panzeri:
*Synthesizing realistic neural population activity patterns using generative adversarial networks*, ICLR 2018
([paper](https://openreview.net/forum?id=r1VVsebAZ))."""


def _header(card: Card, licence: str) -> str:
    entries: dict[str, Any] = {"license": licence} if licence else {}
    entries |= {"library_name": TAG, "tags": [*TAGS, card.family.replace("_", "-"), card.signal]}
    return "\n".join(("---", *(f"{key}: {json.dumps(value)}" for key, value in entries.items()), "---"))


def _summary(card: Card) -> str:
    driven = (
        f" It is driven by {', '.join(f'{_text(channel.name)} ({_text(channel.unit)})' for channel in card.channels)}."
        if card.channels
        else " Nothing drives it."
    )
    return (
        f"A model of a neural population of {len(card.unit_names)} units, which generates their {card.signal} in bins"
        f" of {card.bin_size_s * 1000:g} ms. It was trained on this recording: {_origin(card)}.{driven}"
    )


def _origin(card: Card) -> str:
    recording = card.training.get("recording")
    stated = recording if isinstance(recording, dict) else {}
    return _text(stated.get("origin") or stated.get("name") or "not stated").rstrip(".")


def _use(bundle: Bundle, address: HubAddress, signed: bool) -> str:
    signature = (
        "\nIt is signed: with the public key of its owner, `--require-signature KEY` of these commands verifies it.\n"
        if signed
        else ""
    )
    return f"""## Stream it

```sh
pip install 'spikeloop[cpu,hub] @ git+{REPOSITORY}'
spikeloop pull {address} --sha256 {bundle.sha256}
spikeloop stream {address}
```

The spikes go out over [Lab Streaming Layer](https://labstreaminglayer.org), in real time. In Python:

```python
import spikeloop

bundle = spikeloop.load_bundle(spikeloop.pull("{address}"))
print(spikeloop.generate(bundle, duration_s=10, seed=1))
```
{signature}"""


def _facts(bundle: Bundle) -> str:
    card = bundle.card
    length = "bin after bin, without end" if card.kind == "stream" else f"in windows of {card.window_bins} bins"
    rows = [
        ("family", f"`{card.family}`"),
        ("units", len(card.unit_names)),
        ("bin size", f"{card.bin_size_s * 1000:g} ms"),
        ("generates", f"{card.signal}, {length}"),
        ("conditions", ", ".join(f"{_text(one.name)} ({_text(one.unit)})" for one in card.channels) or "none"),
        *([("latency", f"{card.latency_bins} bins after what drives it")] if card.channels else []),
        ("graph version", card.graph_version),
        ("SHA-256", f"`{bundle.sha256}`"),
    ]
    return "## What it is\n\n" + _table(("property", "value"), rows)


def _realism(card: Card) -> str:
    judged = _similarities(card.realism)
    if not judged:
        return "## How realistic it is\n\nIt was not compared with held-out data."
    rows = [
        (title_of(one.statistic), f"{one.error:.3g}", f"{one.floor:.3g}", f"{one.ratio:.2f}", in_words(verdict(one)))
        for one in judged
    ]
    forecast, judged_on = parse_one_step(card.realism), card.realism.get("judged_on")
    return (
        f"## How realistic it is\n\nJudged on {_text(judged_on or 'data that are not stated')}. E is"
        " the distance of the model to these data, F the floor: that of other data of the same recording. E/F = 1 is as"
        f" good as more recording.\n\n{_table(('statistic', 'E', 'F', 'E/F', ''), rows)}"
        + (f"\n\nForecast of the next bin: {_text(forecast.in_words())}." if forecast else "")
    )


def _similarities(realism: Mapping[str, Any]) -> list[Similarity]:
    """Return the verdicts of a card; none where its entry is something else."""
    try:
        found = [Similarity(**entry) for entry in realism["statistics"].values()]
        return [one for one in found if f"{one.ratio:f}{one.error:f}{one.floor:f}" and title_of(one.statistic)]
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
        return []


def _training(card: Card) -> str:
    stated = card.training
    given = stated.get("settings")
    settings = given if isinstance(given, dict) else {}
    rows = [
        (words, _text(value))
        for words, value in (
            ("preset", settings.get("preset")),
            ("seed", settings.get("seed")),
            ("steps", stated.get("steps")),
            ("duration", f"{stated['trained_s']:g} s" if isinstance(stated.get("trained_s"), int | float) else None),
        )
        if value is not None
    ]
    return "## How it was trained\n\n" + _table(("setting", "value"), rows) if rows else ""


def _licence(licence: str) -> str:
    if licence:
        return f"## Licence\n\n`{licence}`. The recording has a licence of its own, by those who published it."
    return "## Licence\n\nNo licence is stated. Ask the owner of this repository before you pass the model on."


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _text(value: object) -> str:
    """Return a text of a card as Markdown that shows it and does nothing else."""
    shown = "".join(letter if letter.isprintable() else " " for letter in str(value)[:LONGEST])
    return re.sub(r"([\\`*\[\]<>|#_])", r"\\\1", shown)
