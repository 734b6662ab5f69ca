"""The text that names a decoder, parsed once; and the register of all kinds of decoders."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Literal

from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder
from spikeloop.models.decoders.refit_kalman import RefitKalmanDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream

__all__ = [
    "GROUP",
    "KINDS",
    "LONGEST_HISTORY",
    "DecoderKind",
    "DecoderSpec",
    "Decoders",
    "decoder_specs",
    "describe_kinds",
    "missing_methods",
    "parse_decoder",
]

GROUP = "spikeloop.decoders"  # of entry points, under which packages register decoders by name
LONGEST_HISTORY = 1000  # bins

RunsIn = Literal["any", "closed loop", "real time"]
Decoders = Mapping[str, Any] | Sequence[Any] | str  # as people give them; see `decoder_specs`


@dataclass(frozen=True)
class DecoderSpec:
    """A decoder that was asked for.

    Attributes
    ----------
    name : str
        Label in reports; the text itself unless the user gave another.
    kind : str
        A key of `KINDS`, "installed" (registered by an installed package) or "object" (made by `factory`).
    text : str, default ""
        As given on the command line; empty for an object.
    argument : str, default ""
        What follows the colon: a file, a stream or an estimator.
    history_bins : int, optional
        Bins that a regression or a population vector looks at; None until `with_history` says how many, and of decoders
        without a fixed history.
    needs_calibration : bool, default False
        Whether it can't decode before it was fitted.
    runs_in : {"any", "closed loop", "real time"}, default "any"
        "closed loop" needs a session's user; "real time" needs LSL.
    factory : callable without arguments, optional
        Makes a decoder of the user's own, an object with `fit` and `step`.
    """

    name: str
    kind: str
    text: str = ""
    argument: str = ""
    history_bins: int | None = None
    needs_calibration: bool = False
    runs_in: RunsIn = "any"
    factory: Callable[[], Any] | None = None


@dataclass(frozen=True)
class DecoderKind:
    """What a kind of decoder takes and needs.

    Attributes
    ----------
    make : callable (spec, seed) -> Decoder, optional
        None for kinds that need a runtime or a session, which the streamer opens.
    argument : str, default ""
        What must follow the colon, as a placeholder such as "FILE"; "" where nothing may.
    has_history : bool, default False
        Whether it looks back over some bins; their number may follow the colon, where nothing else must.
    needs_calibration, runs_in
        As of `DecoderSpec`.
    sees_position : bool, default False
        Whether it is shown where the cursor is, in a closed loop.
    endings : tuple of str, default ()
        Of files that are of this kind when they are named without it.
    had_learned : bool, default False
        Whether it learned before, elsewhere, and never does here.
    """

    make: Callable[[DecoderSpec, int], Decoder] | None = None
    argument: str = ""
    has_history: bool = False
    needs_calibration: bool = True
    runs_in: RunsIn = "any"
    sees_position: bool = False
    endings: tuple[str, ...] = ()
    had_learned: bool = False


def _of_files(*endings: str) -> DecoderKind:
    return DecoderKind(argument="FILE", needs_calibration=False, endings=endings, had_learned=True)


def _history(spec: DecoderSpec) -> int:
    assert spec.history_bins is not None, "with_history comes before"
    return spec.history_bins


KINDS: dict[str, DecoderKind] = {
    "kalman": DecoderKind(lambda spec, seed: KalmanDecoder()),
    "refit_kalman": DecoderKind(lambda spec, seed: RefitKalmanDecoder(), sees_position=True),
    "ridge": DecoderKind(lambda spec, seed: RidgeDecoder(_history(spec)), has_history=True),
    "wiener": DecoderKind(lambda spec, seed: RidgeDecoder(_history(spec), WIENER_PENALTIES), has_history=True),
    "population_vector": DecoderKind(lambda spec, seed: PopulationVectorDecoder(_history(spec)), has_history=True),
    "chance": DecoderKind(lambda spec, seed: ChanceDecoder(random_stream(seed, Purpose.CHANCE_DECODER))),
    "recurrent": DecoderKind(),
    "onnx": _of_files(".onnx"),
    "torch": _of_files(".pt2", ".pt", ".pth", ".ts"),
    "skops": _of_files(".skops"),
    "python": DecoderKind(argument="FILE.py:NAME, python:MODULE:NAME", needs_calibration=False),
    "falcon": DecoderKind(argument="FILE.py:CLASS", needs_calibration=False, had_learned=True),
    "sklearn": DecoderKind(argument="ESTIMATOR (such as sklearn:linear_model.Ridge(alpha=10))", has_history=True),
    "lsl": DecoderKind(argument="STREAM", needs_calibration=False, runs_in="real time"),
    "oracle": DecoderKind(needs_calibration=False, runs_in="closed loop"),
}


def describe_kinds() -> str:
    """Name all kinds of decoders, with what follows the colon, in one line."""
    names = [name for name, kind in KINDS.items() if not kind.argument]
    histories = [f"{name}:BINS" for name, kind in KINDS.items() if kind.has_history and not kind.argument]
    others = [f"{name}:{kind.argument}" for name, kind in KINDS.items() if kind.argument]
    return f"{', '.join(names)}, {', '.join(histories)} (of history), {', '.join(others)}"


def parse_decoder(text: str) -> DecoderSpec:
    """Parse the text that names a decoder.

    Parameters
    ----------
    text : str
        `kalman`, `refit_kalman`, `ridge`, `wiener`, `population_vector`, `chance`, `recurrent` or `oracle`;
        `ridge:BINS`, `wiener:BINS` or `population_vector:BINS`, which look at so many bins instead of a time;
        `onnx:FILE`, `torch:FILE` or `skops:FILE`, or the file alone, by its ending; `python:FILE.py:NAME`,
        `python:MODULE:NAME`, `falcon:FILE.py:CLASS` and `sklearn:ESTIMATOR`, each with arguments or without, as in
        `NAME(alpha=10)`; `lsl:STREAM`; or a name that an installed package registers under the entry points
        `spikeloop.decoders`.

    Returns
    -------
    DecoderSpec

    Raises
    ------
    BadInputError
        If the text names no decoder.
    """
    name, colon, argument = text.partition(":")
    if name not in KINDS and (of_file := _kind_of_file(text)):
        name, colon, argument = of_file, ":", text
    kind = KINDS.get(name)
    if kind is None:
        return _installed(text)
    if kind.runs_in == "real time" and colon and not argument:
        raise BadInputError(f"--decoder: expected the name of a stream after {text}, found none")
    takes_argument = bool(kind.argument) or kind.has_history
    if not (takes_argument if argument else not colon and not kind.argument):
        raise _unknown(text)
    return DecoderSpec(
        name=text,
        kind=name,
        text=text,
        argument=argument,
        history_bins=_history_bins(text, argument) if kind.has_history and argument and not kind.argument else None,
        needs_calibration=kind.needs_calibration,
        runs_in=kind.runs_in,
    )


def decoder_specs(decoders: Decoders) -> dict[str, DecoderSpec]:
    """Make one spec of each decoder that was asked for.

    Parameters
    ----------
    decoders : dict by name, sequence, or str
        Of texts as `parse_decoder` has them; classes or functions that, called without arguments, give an object with
        `fit` and `step`; or such objects, of which each session has a copy. Without names, a text is its own name and
        a class goes by its own.

    Returns
    -------
    dict of DecoderSpec by name

    Raises
    ------
    BadInputError
        If there are none, two have one name, or one is nothing of that.
    """
    if isinstance(decoders, Mapping):
        named = [(str(name), decoder) for name, decoder in decoders.items()]
    else:
        given = [decoders] if isinstance(decoders, str) or not isinstance(decoders, Sequence) else decoders
        named = [(_own_name(decoder), decoder) for decoder in given]
    names = [name for name, _ in named]
    if not named or len(set(names)) < len(named):
        raise BadInputError(f"--decoder: expected different decoders, found {', '.join(names) or 'none'}")
    return {name: _spec(name, decoder) for name, decoder in named}


def missing_methods(decoder: Any) -> list[str]:
    """Return the methods that a decoder of the user's own lacks: `fit`, and `step` unless it has `step_events`."""
    has = [method for method in ("fit", "step", "step_events") if callable(getattr(decoder, method, None))]
    return [method for method in ("fit", "step") if method not in has and (method == "fit" or "step_events" not in has)]


def _own_name(decoder: Any) -> str:
    return decoder if isinstance(decoder, str) else getattr(decoder, "__name__", type(decoder).__name__)


def _spec(name: str, decoder: Any) -> DecoderSpec:
    if isinstance(decoder, str):
        return replace(parse_decoder(decoder), name=name)
    if not missing_methods(decoder) and not isinstance(decoder, type):
        return DecoderSpec(name, "object", factory=partial(copy.deepcopy, decoder))
    if not callable(decoder):
        raise BadInputError(
            f"--decoder {name}: expected the text of a decoder, or a class, function or object with fit(counts,"
            f" kinematics) and step(counts); found {decoder!r:.80}"
        )
    return DecoderSpec(name, "object", factory=decoder)


def _kind_of_file(text: str) -> str | None:
    """The kind of a file that is named without one, by its ending; options may follow."""
    path = text.partition("?")[0].lower()
    return next((name for name, kind in KINDS.items() if path.endswith(kind.endings)), None)


def _installed(text: str) -> DecoderSpec:
    if text not in {entry.name for entry in entry_points(group=GROUP)}:
        raise _unknown(text)
    return DecoderSpec(text, "installed", text)


def _unknown(text: str) -> BadInputError:
    installed = ", ".join(sorted(entry.name for entry in entry_points(group=GROUP)))
    named = f", or of installed packages {installed}" if installed else ""
    return BadInputError(f"--decoder: expected {describe_kinds()}{named}; found {text!r:.80}")


def _history_bins(text: str, bins: str) -> int:
    if not (bins.isascii() and bins.isdecimal() and 1 <= len(bins) <= 4 and 1 <= int(bins) <= LONGEST_HISTORY):
        raise BadInputError(f"--decoder: expected a history of 1 to {LONGEST_HISTORY} bins, found {text!r:.80}")
    return int(bins)
