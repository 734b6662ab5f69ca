"""Whether a recording can judge a model, and which part of the recording the model's training left out."""

from collections.abc import Sequence

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording, Signal
from spikeloop.models.recordings.windows import STRETCHES, holds_out_repeats, stretches_held_out
from spikeloop.models.scalars import same_bin_size
from spikeloop.models.training.validation import describe_recording

__all__ = ["check_alike", "check_further", "held_out_of", "held_out_part", "stretches_of", "target_columns"]


def held_out_of(card: Card, recording: Recording) -> int | None:
    """Look up in a card whether the model's training left out a part of this very recording.

    Parameters
    ----------
    card : Card
    recording : Recording

    Returns
    -------
    int or None
        n where every n-th repeat was left out, 0 where none was; None where the model was trained on another recording,
        or the card does not state it.
    """
    trained, settings = (card.training.get(key) for key in ("recording", "settings"))
    if not isinstance(trained, dict) or not isinstance(settings, dict):
        return None
    described = describe_recording(recording)
    same = all(trained.get(key) == described[key] for key in ("sha256", "repeats", "bins"))
    every = settings.get("hold_out")
    whole = isinstance(every, int) and not isinstance(every, bool) and (every == 0 or every >= 2)
    return every if same and whole else None


def stretches_of(card: Card) -> int:
    """Look up how many stretches of a continuous recording the training left out a part of; 1 in earlier versions."""
    settings = card.training.get("settings")
    stretches = settings.get("held_out_stretches", 1) if isinstance(settings, dict) else 1
    return stretches if isinstance(stretches, int) and stretches >= 1 else 1


def held_out_part(recording: Recording, every: int, stretches: int = STRETCHES) -> str:
    """Describe the part that `hold_out` holds out, in words."""
    if holds_out_repeats(recording, every):
        return f"1 of {every} repeats"
    parts = stretches_held_out(recording, every, stretches)
    return f"the last {100 / every:.3g}%" + (f" of each of {parts} stretches of time" if parts > 1 else "")


def check_alike(name: str, units: int, bin_size_s: float, signal: Signal, recording: Recording) -> None:
    """Check that a recording has the units, bins and signal of what it is to judge.

    Parameters
    ----------
    name : str
        What is judged, for the message.
    units : int
    bin_size_s : float > 0, s
    signal : "spikes" or "fluorescence"
    recording : Recording

    Raises
    ------
    BadInputError
        If it has others.
    """
    if signal != recording.signal:
        raise BadInputError(f"{name} gives {signal}, {recording.name} is {recording.signal}; expected the same")
    if units != recording.units:
        raise BadInputError(f"{name} has {units} units, {recording.name} {recording.units}; expected as many")
    if not same_bin_size(bin_size_s, recording.bin_size_s):
        raise BadInputError(
            f"{name} has bins of {bin_size_s * 1000:g} ms, {recording.name} of {recording.bin_size_s * 1000:g} ms;"
            " expected the same: bin one of them anew"
        )


def check_further(name: str, session: Recording, first: Recording, target: Sequence[str]) -> None:
    """Check that a further session has the units, bins and kinematics of the first.

    Parameters
    ----------
    name : str
        Of the session, for the message.
    session, first : Recording
    target : sequence of str
        As of `target_columns`.

    Raises
    ------
    BadInputError
        If it has others.
    """
    same = session.units == first.units and same_bin_size(session.bin_size_s, first.bin_size_s)
    if not same or target_columns(session, target) != target_columns(first, target):
        raise BadInputError(
            f"{name}: expected {first.units} units, bins of {1000 * first.bin_size_s:g} ms and the conditions of"
            f" {first.name}, found {session.units} and {1000 * session.bin_size_s:g} ms; choose sessions alike"
        )


def target_columns(recording: Recording, target: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of a recording's conditions that are to be decoded.

    Parameters
    ----------
    recording : Recording
    target : sequence of str
        Names, or beginnings of names: velocity is velocity x and velocity y.

    Raises
    ------
    BadInputError
        If it has no kinematics, or none of a name.
    """
    names = [channel.name for channel in recording.channels]
    if not names or any(channel.cyclic for channel in recording.channels):
        raise BadInputError(
            f"{recording.name} has no kinematics; expected a recording with some, such as m1_jango or m1-sim, or a file"
            " with array `conditions` and `condition_names`"
        )
    if not target:
        raise BadInputError(f"--target: expected of {', '.join(names)}, found nothing")
    columns: list[int] = []
    for wanted in target:
        found = [place for place, name in enumerate(names) if name == wanted or name.startswith(f"{wanted} ")]
        if not found:
            raise BadInputError(f"--target: {recording.name} has no {wanted!r:.80}; expected of {', '.join(names)}")
        columns += found
    return tuple(dict.fromkeys(columns))
