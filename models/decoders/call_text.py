"""A class or function with its arguments, as people write it: `Ridge(alpha=10)`; parsed, never run."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikeloop.models.errors import BadInputError

__all__ = ["CallText", "parse_call"]


@dataclass(frozen=True)
class CallText:
    """What is called, and with what.

    Attributes
    ----------
    name : str
        Such as `linear_model.Ridge`.
    args, kwargs : tuple, dict
        Python literals: numbers, texts, None, True, False, and tuples, lists, sets and dicts of them.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def parse_call(text: str, option: str) -> CallText:
    """Parse a name, dotted or not, with or without arguments.

    Parameters
    ----------
    text : str
        `NAME`, `A.B.NAME` or `NAME(1, alpha=10)`.
    option : str
        For messages: what the user gave, such as "--decoder sklearn:linear_model.Ridge".

    Raises
    ------
    BadInputError
        If it is anything else, or an argument is no literal.
    """
    head = text.partition("(")[0].strip()
    if not (head and all(part.isidentifier() for part in head.split("."))):
        raise BadInputError(
            f"{option}: expected a name, with or without arguments, such as Ridge(alpha=10); found {text!r:.80}"
        )
    if "(" not in text:
        return CallText(head)
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadInputError(f"{option}: expected arguments such as (alpha=10), found {text!r:.80}") from error
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != head:
        raise BadInputError(f"{option}: expected one call such as Ridge(alpha=10), found {text!r:.80}")
    args = tuple(_literal(argument, option) for argument in call.args)
    kwargs = {keyword.arg or "**": _literal(keyword.value, option) for keyword in call.keywords}
    if "**" in kwargs:
        raise BadInputError(f"{option}: expected each argument by its name, found **; write them out")
    return CallText(head, args, kwargs)


def _literal(node: ast.expr, option: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise BadInputError(
            f"{option}: expected numbers, texts, None, True, False, tuples, lists or dicts as arguments, found"
            f" {ast.unparse(node)!r:.80}; for anything else write a function of your own, python:FILE.py:NAME"
        ) from error
