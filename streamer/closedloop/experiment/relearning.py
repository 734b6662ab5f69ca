"""How a decoder learns anew from a closed loop."""

from collections.abc import Callable

import numpy as np

from spikeloop.models.decoders.decoder import Decoder, sees_position
from spikeloop.models.decoders.recalibration import intended_velocity
from spikeloop.streamer.closedloop.experiment.record import Block

__all__ = ["Relearn", "refit"]

Relearn = Callable[[Decoder, Block, float], None]  # the decoder, what happened, and the gain on what it decodes


def refit(decoder: Decoder, block: Block, gain: float, faster: float = 1.0) -> None:
    """Fit a decoder to what its user must have intended in a closed loop (Gilja et al. 2012).

    Parameters
    ----------
    decoder : Decoder
    block : Block
        Bins without a target, or without counts, are left out.
    gain : float > 0
        On the decoded velocity, which comes on top of what is learned.
    faster : float > 0, default 1
        Factor on the speeds that are taken for intended.

    Raises
    ------
    BadInputError
        If there is too little to learn from.
    """
    known = block.arrived & np.isfinite(block.target).all(axis=1)
    decoded = block.velocity[known] * (faster / gain)
    intended = intended_velocity(decoded, block.start[known], block.target[known], block.on_target[known])
    feedback = sees_position(decoder)
    if feedback is not None:
        feedback.see_training(block.start[known])
    decoder.fit(block.counts[known], intended)
