"""Session time: how much of a session has passed, as a condition, by which a model learns how the session drifts."""

from dataclasses import replace

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import begins_of

__all__ = ["SESSION_TIME", "with_session_time"]

SESSION_TIME = Condition("session time", "share of the session", 0.0, 1.0, rest=0.5)  # at rest, in its middle


def with_session_time(recording: Recording) -> Recording:
    """Attach the session time, behind the conditions that are there.

    Parameters
    ----------
    recording : Recording
        A whole session; of a part, the time would begin anew.

    Returns
    -------
    Recording
        With `SESSION_TIME` as its last channel: the share of the session that has passed in the middle of a bin, from
        0 to 1. A session lasts from the beginning of its first repeat to the end of its last one, by the recording's
        clock; where that is not known, or repeats overlap, as if they followed each other without a pause.

    Raises
    ------
    BadInputError
        If a condition has this name already.
    """
    if SESSION_TIME.name in [channel.name for channel in recording.channels]:
        raise BadInputError(
            f"{recording.name}: expected conditions of other names, found {SESSION_TIME.name}; rename it, or learn it"
            " with --condition recorded alone"
        )
    begins_s = begins_of(recording.bins_of_repeats, recording.bin_size_s, recording.starts_s)
    ends_s = begins_s + recording.bins_of_repeats * recording.bin_size_s
    middles_s = begins_s[:, np.newaxis] + (np.arange(recording.bins) + 0.5) * recording.bin_size_s
    share = np.where(recording.recorded, (middles_s - begins_s[0]) / (ends_s[-1] - begins_s[0]), 0)
    driven_by = np.concatenate([recording.conditions, share[..., np.newaxis].astype(np.float32)], axis=2)
    return replace(recording, driven_by=driven_by, channels=(*recording.channels, SESSION_TIME))
