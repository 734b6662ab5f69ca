"""Whether a recording can judge a model, and which part of it the model's training left out."""

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.examination import describe_recording
from spikeloop.models.recordings.recording import Recording, Signal

__all__ = ["check_alike", "held_out_of"]

SAME_BIN = 1e-6  # relative difference of bin sizes that are the same


def held_out_of(card: Card, recording: Recording) -> int | None:
    """Every how many repeats of this very recording the training left one out."""
    trained, settings = (card.training.get(key) for key in ("recording", "settings"))
    if not isinstance(trained, dict) or not isinstance(settings, dict):
        return None
    described = describe_recording(recording)
    same = all(trained.get(key) == described[key] for key in ("sha256", "repeats", "bins"))
    return settings.get("hold_out") if same else None


def check_alike(name: str, units: int, bin_size_s: float, signal: Signal, recording: Recording) -> None:
    """Raise BadInputError where a recording is not of as many units and such bins as what it is to judge."""
    if signal != recording.signal:
        raise BadInputError(f"{name} gives {signal}, {recording.name} is {recording.signal}; expected the same")
    if units != recording.units:
        raise BadInputError(f"{name} has {units} units, {recording.name} {recording.units}; expected as many")
    if abs(bin_size_s / recording.bin_size_s - 1) > SAME_BIN:
        raise BadInputError(
            f"{name} has bins of {bin_size_s * 1000:g} ms, {recording.name} of {recording.bin_size_s * 1000:g} ms;"
            " expected the same: bin one of them anew"
        )
