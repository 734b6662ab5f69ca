"""What a model is to answer to, by words: a phase, recorded conditions, the time in the session, or nothing."""

import logging
from collections.abc import Sequence

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import CONDITIONAL
from spikeloop.models.recordings.conditioning import with_phase, without_conditions
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.session_time import with_session_time
from spikeloop.models.scalars import shown
from spikeloop.streamer.conditions.loop_channels import loop_warning

__all__ = ["CONDITIONS", "answering", "checked_answers"]

logger = logging.getLogger(__name__)

NONE, PHASE, RECORDED, SESSION_TIME = "none", "phase", "recorded", "session-time"
CONDITIONS = (NONE, PHASE, RECORDED, SESSION_TIME)
TOGETHER = {RECORDED, SESSION_TIME}  # which a model may answer to at once


def checked_answers(asked: str | Sequence[str]) -> tuple[str, ...]:
    """Return the words, each once, in the order of `CONDITIONS`.

    Raises
    ------
    BadInputError
        If one is none of these, there is none, or they exclude each other.
    """
    words = (asked,) if isinstance(asked, str) else asked
    known = isinstance(words, list | tuple) and all(isinstance(word, str) and word in CONDITIONS for word in words)
    if not known or not words or (len(set(words)) > 1 and set(words) != TOGETHER):
        raise BadInputError(
            f"--condition: expected {', '.join(CONDITIONS[:-1])} or {SESSION_TIME}, of which {RECORDED} (or NAME=PATH"
            f" of what drove the population) and {SESSION_TIME} go together, found {shown(asked)}"
        )
    return tuple(word for word in CONDITIONS if word in words)


def answering(
    recording: Recording, family: str, answers: Sequence[str], lead_ms: float, hold_out: int
) -> tuple[Recording, int]:
    """Give a recording what a model is to answer to.

    Parameters
    ----------
    recording : Recording
    family : str
    answers : sequence of str
        As `checked_answers` returns them.
    lead_ms : float >= 0, ms
        Time by which spikes precede the recorded conditions.
    hold_out : int >= 0
        Every n-th repeat is held out.

    Returns
    -------
    Recording
    int
        The lead, bins.

    Raises
    ------
    BadInputError
        If the recording or the family has no such conditions, or the lead does not suit them.
    """
    if lead_ms and PHASE in answers:
        raise BadInputError("--lead-ms: a phase is known ahead; leave it out")
    if lead_ms and RECORDED not in answers:
        raise BadInputError(f"--lead-ms: expected --condition recorded beside it, found {answers[0]}")
    if NONE in answers:
        return without_conditions(recording), 0
    if family not in CONDITIONAL:
        raise BadInputError(f"--condition: {family} answers to nothing; choose {', '.join(CONDITIONAL)}")
    if PHASE in answers:
        return _with_phase(recording, hold_out), 0
    lead_bins = 0
    if RECORDED in answers:
        lead_bins = _lead_bins(recording, lead_ms)
    else:
        recording = without_conditions(recording)
    return with_session_time(recording) if SESSION_TIME in answers else recording, lead_bins


def _with_phase(recording: Recording, hold_out: int) -> Recording:
    if recording.repeats < hold_out:
        raise BadInputError(
            f"--condition phase: expected at least {hold_out} repeats, as one in {hold_out} is held out, found"
            f" {recording.repeats}; lower --hold-out (0 trains on all)"
        )
    return with_phase(recording)


def _lead_bins(recording: Recording, lead_ms: float) -> int:
    """Check the recorded conditions, and return their lead in bins."""
    if not recording.channels:
        raise BadInputError(
            f"--condition: {recording.name} has none recorded; expected an array `conditions` (..., channels) beside"
            " the spikes, or --condition NAME=PATH to say where they are"
        )
    if warning := loop_warning(recording.channels):
        logger.warning("%s: %s", recording.name, warning)
    lead_bins = lead_ms / 1000 / recording.bin_size_s
    if not 0 <= lead_bins <= recording.bins - 1:
        longest_ms = (recording.bins - 1) * recording.bin_size_s * 1000
        raise BadInputError(f"--lead-ms: expected 0 to {longest_ms:g} (less than a repeat), found {lead_ms:g}")
    return round(lead_bins)
