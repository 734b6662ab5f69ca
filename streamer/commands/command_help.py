"""How a command's options look in its help: a unit or a kind of value for each, and defaults that say something."""

import functools
import inspect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import is_dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tyro.conf import arg

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.shared_options import SharedOption

__all__ = ["as_shown", "check_numbers", "description_of", "gathered", "option"]

SECTION = "\n\nParameters\n----------"

METAVARS = {
    "S": "baseline calibration condition_decay condition_hold duration from_ half_life offset snapshot_every start"
    " start_delay stop to wait",
    "MS": "bin_ms decoder_bin history_ms lag_ms lead_ms tolerance_ms",
    "MIN": "minutes",
    "UV": "lfp",
    "PER_HOUR": "false_alarms",
    "BINS": "step_bins window_bins",
    "UNITS": "found_units units",
    "WINDOWS": "windows",
    "TRIALS": "recalibrate trials",
    "SESSIONS": "sessions",
    "DAYS": "days",
    "PROFILE": "drift",
    "POLICY": "policy",
    "CHANNELS": "channels",
    "STEPS": "steps",
    "PORT": "metrics port",
    "ADDRESS": "ephys_socket host synapse",
    "FACTOR": "gain observation_gain",
    "SHARE": "smoothing",
    "BUNDLE": "bundle",
    "RECORDING": "data held_out recording recordings",
    "TRUTH": "truth",
    "FOUND": "found",
    "PATH": "found_key truth_key",
    "MODEL": "model",
    "STREAM": "attach stream streams",
    "ID": "source_id",
    "HOST": "host",
    "CONDITION": "condition",
    "DECODER": "decoder",
    "CHANGE": "perturb",
    "URL": "mqtt",
    "ENGINE": "engine",
    "FOLDER": "checkpoint save_to",
    "FILE": "paths replay",
}  # an option that is not here is shown by its type, or by its choices
BY_OPTION = {name: metavar for metavar, names in METAVARS.items() for name in names.split()}
WIDTH = 80  # of the help's boxes
BY_TYPE = {int: "N", float: "X", Path: "FILE", str: "NAME"}


def option(metavar: str | None = None, *, default: str | None = None) -> Any:
    """Describe an option for `Annotated`.

    Parameters
    ----------
    metavar : str, optional
        Its unit or kind of value in the help; by default its choices.
    default : str, optional
        What the help says of the default; by default its value. An empty text says nothing: for flags, and where the
        description says what happens without the option.
    """
    return arg(metavar=metavar, help_behavior_hint=default)


def as_shown(command: Callable[..., int], shared: Sequence[SharedOption]) -> Callable[..., int]:
    """Return a command that tyro shows in plain words, with the options added that it shares with others.

    Parameters
    ----------
    command : callable
        A command; its docstring has a paragraph for each option.
    shared : sequence of SharedOption
        Each is applied before the command runs.
    """

    @functools.wraps(command)
    def run(*positional: Any, **options: Any) -> int:
        with ExitStack() as applied:
            for each in shared:
                applied.enter_context(each.applied(options.pop(each.name, each.default)))
            return command(*positional, **options)

    hints = get_type_hints(command, include_extras=True)
    own = [_shown(parameter, hints[parameter.name]) for parameter in inspect.signature(command).parameters.values()]
    own += [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.annotation)
        for each in shared
    ]
    run.__doc__ = _with_shared(command.__doc__ or "", shared)
    run.__signature__ = inspect.Signature(own, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in own} | {"return": int}
    del run.__wrapped__
    return run


def description_of(command: Callable[..., int]) -> str:
    """Return what the help says above the options, in lines no longer than those of its boxes.

    The lines are indented, because tyro joins those that begin with a letter.
    """
    head = inspect.cleandoc(command.__doc__ or "").partition(SECTION)[0]
    paragraphs = (" ".join(paragraph.split()) for paragraph in head.split("\n\n"))
    lay_out = functools.partial(fill, width=WIDTH, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False)
    return "\n\n".join(map(lay_out, paragraphs))


def check_numbers(command: Callable[..., int], words: Sequence[str]) -> None:
    """Check that options of numbers have numbers, before tyro explains in terms of Python that they don't.

    Raises
    ------
    BadInputError
        Where one doesn't.
    """
    hints = _hints(command)
    for word, following in pairwise([*words, "--"]):
        name, equals, value = word.partition("=")
        value = value if equals else following
        key = name.removeprefix("--").replace("-", "_")
        hint = hints.get(key, hints.get(f"{key}_", str))  # one that is a word of Python's, such as --from
        kinds = _kinds(hint) if name.startswith("--") else []
        if not {int, float} & set(kinds) or value.startswith("--"):
            continue
        try:
            float(value) if float in kinds else int(value)
        except ValueError:
            expected = "a number" if float in kinds else "a whole number"
            raise BadInputError(f"{name}: expected {expected}, found {value!r:.80}") from None


def gathered(command: Callable[..., int], words: Sequence[str]) -> list[str]:
    """Put the values of an option that is given several times, `--decoder ridge --decoder kalman`, behind the first.

    Without this the last one alone would count, and the others be lost in silence. Options of one value stay.
    """
    several = {f"--{name.replace('_', '-')}" for name, hint in _hints(command).items() if tuple in _kinds(hint)}
    kept: list[str] = []
    values: dict[str, list[str]] = {}
    taking: list[str] = kept
    for word in words:
        name, equals, value = word.partition("=")
        if name.replace("_", "-") in several and word.startswith("--"):
            name = name.replace("_", "-")
            kept += [] if name in values else [name]
            taking = values.setdefault(name, [])
            taking += [value] if equals else []
        elif word.startswith("--"):
            taking = kept
            kept.append(word)
        else:
            taking.append(word)
    return [part for word in kept for part in (word, *values.get(word, ()))]


def _hints(command: Callable[..., int]) -> dict[str, Any]:
    """The types of a command's options, by name, and of those that a dataclass of options has."""
    hints = get_type_hints(command)
    for hint in list(hints.values()):
        kinds = _kinds(hint)
        if len(kinds) == 1 and is_dataclass(kinds[0]):
            hints |= get_type_hints(kinds[0])
    return hints


def _with_shared(doc: str, shared: Sequence[SharedOption]) -> str:
    head, section, rest = inspect.cleandoc(doc).partition(SECTION)
    added = "".join(f"\n{each.name}\n    {each.help}" for each in shared)
    return f"{head}{section or SECTION}{rest}{added}"


def _shown(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    if not any(kind in BY_TYPE or get_origin(kind) is Literal or kind is bool for kind in _kinds(hint)):
        return parameter.replace(annotation=hint)  # dataclasses of options, which describe themselves
    silent = any(parameter.default is nothing for nothing in (None, False, "", ()))
    annotation = Annotated[hint, option(_metavar(parameter, hint), default="" if silent else None)]
    return parameter.replace(annotation=annotation)


def _metavar(parameter: inspect.Parameter, hint: Any) -> str | None:
    """The unit or kind of an option's values; None where tyro shows its choices, or it is a flag."""
    kinds = _kinds(hint)
    if bool in kinds or any(get_origin(kind) is Literal for kind in kinds):
        return None
    name = BY_OPTION.get(parameter.name) or next(BY_TYPE[kind] for kind in kinds if kind in BY_TYPE)
    name = f"{name} ..." if tuple in kinds else name
    positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    return f"[{name}]" if positional and parameter.default is not parameter.empty else name


def _kinds(hint: Any) -> list[Any]:
    """The types that an annotation is made of, without None: `Positional[str | None]` is str."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in _kinds(part)]
    if get_origin(hint) is tuple:
        return [tuple, *_kinds(get_args(hint)[0])]
    return [] if hint is type(None) else [hint]
