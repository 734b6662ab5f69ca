"""The trials of a comparison as a part of its page that plays them again: cursor, target and path."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spikeloop.exporters.pages.shell import Markup, fill, static_file
from spikeloop.models.arrays import Floats
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.record import Block, Trial
from spikeloop.streamer.closedloop.experiment.tasks import Grid
from spikeloop.streamer.closedloop.results.judged import block_of, judged
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["REPLAYED", "replay", "replay_script"]

REPLAYED = 64  # trials of a decoder
PER_CM = 100  # positions are whole numbers of tenths of a millimetre
CONTROLS = """<p>{}</p>
<div class="replay" id="replay-controls">
<canvas width="640" height="640" role="img" aria-label="the workspace from above, with cursor and target"></canvas>
<div class="controls">
<p><button type="button" data-play>Play</button> <button type="button" data-next>Next trial</button></p>
<label>decoder <select data-decoder></select></label>
<label>trial <select data-trial></select></label>
<label>speed <select data-speed><option value="0.25">a quarter</option><option value="0.5">half</option>
<option value="1" selected>as recorded</option><option value="2">twice</option><option value="4">four times</option>
</select></label>
<label>time <input type="range" data-time min="0" value="0"></label>
<p><output data-said></output></p>
<ul class="legend" data-legend></ul>
<p class="note">Line: the cursor's path. Dot: the cursor. Outlined: the target, filled while a cursor is in it.</p>
</div></div>
<noscript><p>The replay needs JavaScript.</p></noscript>
<script type="application/json" id="replay-data">{}</script>"""


def replay(setup: Setup, runs: Sequence[Run]) -> Markup:
    """Make the replay of the sessions of one seed; empty where no bins of any were kept.

    Parameters
    ----------
    setup : Setup, of the comparison
    runs : sequence of Run
        One a decoder, of one seed.
    """
    decoders = [{"name": run.decoder, "trials": list(_trials(run))} for run in runs if block_of(run) is not None]
    if not any(decoder["trials"] for decoder in decoders):
        return Markup()
    task = setup.plan.task
    document = {
        "bin_s": setup.loaded.card.bin_size_s,
        "extent": round(task.extent_cm * PER_CM),
        "square": isinstance(task, Grid),
        "cells": task.cells if isinstance(task, Grid) else 0,
        "decoders": decoders,
    }
    trials = max(len(judged(run)) for run in runs)
    which = f"The first {REPLAYED} of {trials} trials" if trials > REPLAYED else f"All {trials} trials"
    same = " Decoders had the same targets in the same order." if len(decoders) > 1 else ""
    text = f"{which} of the closed loop of seed {runs[0].seed}.{same}"
    return fill(CONTROLS, text, Markup(_embedded(document)))


def replay_script() -> str:
    """Read the script that plays the trials."""
    return static_file(__package__, "replay.js")


def _trials(run: Run) -> Iterator[dict[str, Any]]:
    block = block_of(run)
    assert block is not None
    for trial in judged(run)[:REPLAYED]:
        if trial.ended_bin > trial.appeared_bin:
            yield {
                "index": trial.index,
                "outcome": trial.outcome,
                "target": _whole([*trial.target.place_cm, trial.target.width_cm]),
                "acquired": None if trial.acquired_bin is None else trial.acquired_bin - trial.appeared_bin,
                "path": _path(block, trial),
            }


def _path(block: Block, trial: Trial) -> list[int]:
    """Where the cursor began, then by how much each bin moved it: x, y, x, y, ..."""
    path = np.concatenate([[trial.from_cm], block.position[trial.appeared_bin : trial.ended_bin]])
    whole = np.rint(path * PER_CM).astype(int)
    return np.diff(whole, axis=0, prepend=0).ravel().tolist()


def _whole(values: Sequence[float] | Floats) -> list[int]:
    return np.rint(np.asarray(values) * PER_CM).astype(int).tolist()


def _embedded(document: dict[str, Any]) -> str:
    """JSON that can't end the element it is in."""
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")
