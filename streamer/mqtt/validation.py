"""Check JSON documents against the schemas in schemas/, with errors in one line."""

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.packages import install_command

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

__all__ = ["SCHEMAS", "check", "schema_of", "validator_of"]

SCHEMAS = (
    "condition", "control", "cursor", "echo", "error", "health", "marker", "monitor", "perturb", "status",
    "stimulate",
)  # fmt: skip
QUOTED = 60  # characters of what was found
EXPECTED = {
    "type": "{}",
    "const": "{!r}",
    "enum": "one of {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "maxLength": "at most {} characters",
    "uniqueItems": "each only once",
    "not": "no control characters",
}  # by keyword of the schemas, of its value


def check(topic: str, document: Any) -> None:
    """Check that a document conforms to the schema of a topic.

    Parameters
    ----------
    topic : str, one of `SCHEMAS`
    document : dict, list, str, int, float, bool or None

    Raises
    ------
    BadInputError
        If it is not; names the place, what was expected there, and what was found.
    FailureError
        If jsonschema is not installed.
    """
    error = next(validator_of(topic).iter_errors(document), None)
    if error is not None:
        raise BadInputError(_explain(topic, error))


@cache
def schema_of(topic: str) -> dict[str, Any]:
    """Read the JSON Schema (draft 2020-12) of a topic, one of `SCHEMAS`."""
    return json.loads((files("spikeloop.streamer.mqtt") / "schemas" / f"{topic}.json").read_text("utf-8"))


@cache
def validator_of(topic: str) -> "Draft202012Validator":
    """Make the validator of a topic, once: that takes a while, so call it before a message is due.

    Raises
    ------
    FailureError
        If jsonschema is not installed.
    """
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise FailureError(f"jsonschema is not installed, which MQTT needs; {install_command('mqtt')}") from error
    return Draft202012Validator(schema_of(topic))


def _explain(topic: str, error: "ValidationError") -> str:
    keyword: Any = error.validator
    asked: Any = error.validator_value
    schema: Any = error.schema
    place = topic + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    found = f"{error.instance!r:.{QUOTED}}"
    if keyword == "required":
        missing = [key for key in asked if key not in error.instance]
        return f"{place}: expected {', '.join(missing)}, found {found}"
    if keyword == "additionalProperties":
        known = ", ".join(schema["properties"])
        return f"{place}: expected only {known}, found {found}"
    if keyword is None:  # where the schema allows nothing
        return f"{place}: expected nothing, found {found}"
    return f"{place}: expected {EXPECTED.get(keyword, '{}').format(asked)}, found {found}"
