"""Plays a file to a page: pause, go to another time, and speed; the bins go out as they were recorded."""

import math
import threading
import time
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from spikeloop.exporters.documents import printable
from spikeloop.models.errors import BadInputError, in_one_line
from spikeloop.models.scalars import checked_number, is_number
from spikeloop.streamer.capture.replay.recorded_population import RecordedPopulation
from spikeloop.streamer.closedloop.results.read_session import SavedTrial
from spikeloop.streamer.dashboard.frames import (
    PROTOCOL,
    Kind,
    Request,
    bins_body,
    conditions_body,
    document_body,
)
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.game import score_of
from spikeloop.streamer.dashboard.play.setup import fields_of
from spikeloop.streamer.dashboard.replay.file import ReplayFile
from spikeloop.streamer.dashboard.tuning import direction_channels
from spikeloop.streamer.lsl.reception import Reception

__all__ = ["ReplayPlayer"]

FRAMES_A_S, STATES_A_S = 30.0, 4.0
SLOWEST, FASTEST = 0.1, 20.0
MOST_BINS = 4096  # in a message
MOST_TRIALS = 2000  # that a page gets a list of


class ReplayPlayer:
    """Plays a file, from entering to leaving the context, in a thread.

    Parameters
    ----------
    file : ReplayFile
    hub : Hub
        Of the pages that look on.
    """

    def __init__(self, file: ReplayFile, hub: Hub) -> None:
        self._file, self._hub = file, hub
        self._population = RecordedPopulation(file.recording)
        self._size = file.recording.bin_size_s
        self._paused, self._speed = False, 1.0
        self._owed = 0.0  # bins, of the time that has passed
        self._sent = 0  # bins
        self._shown: tuple[int, bool] | None = None  # number of the trial, and whether it was under way
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="spikeloop-replay", daemon=True)

    def __enter__(self) -> Self:
        for kind, document in ((Kind.DESCRIPTION, self._description()), (Kind.GAME, self._game(-1, False))):
            if document is not None:
                self._hub.keep(kind, document_body(document))
        self._hub.keep(Kind.REPLAY, document_body(self._state()))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    def ask(self, request: Request, number: int) -> None:  # noqa: ARG002
        """Pause, go on, go to another time or change the speed; BadInputError for all else."""
        if request.kind == Kind.RELEASE:
            return
        if request.kind != Kind.MOVE:
            raise BadInputError("this is a replay: what was recorded can't be steered; only its time can")
        asked = fields_of(request.payload)
        with self._lock:
            if "speed" in asked:
                self._speed = checked_number("speed", asked["speed"], SLOWEST, FASTEST)
            if "at_s" in asked:
                self._seek(asked["at_s"])
            if "paused" in asked:
                self._paused = asked["paused"] is True
                if not self._paused and self._at_end():
                    self._seek(0.0)
        self._publish_state()

    def _seek(self, at_s: Any) -> None:
        if not is_number(at_s) or not math.isfinite(at_s):
            raise BadInputError(f"at_s: expected a number, found {at_s!r:.60}")
        last_s = self._population.stop_s - self._size / 2
        self._population.seek(min(max(float(at_s), 0.0), last_s))
        length = self._population.next_length(1)  # which takes the seek into account
        assert length
        self._owed = 0.0
        at = {"event": "seek", "bin": self._sent, "position_s": self._population.position_s}
        self._hub.publish(Kind.MARKER, document_body(at))

    def _at_end(self) -> bool:
        return self._population.position_s >= self._population.stop_s - self._size / 2

    def _work(self) -> None:
        try:
            self._play()
        except Exception as error:  # of any kind: the page gets the reason
            self._hub.publish(Kind.REPLAY, document_body({"failure": printable(in_one_line(error))}))

    def _play(self) -> None:
        before_s, state_due_s = time.monotonic(), 0.0
        while not self._ending.wait(1 / FRAMES_A_S):
            now_s = time.monotonic()
            with self._lock:
                self._pass(now_s - before_s)
            before_s = now_s
            if now_s >= state_due_s:
                state_due_s = now_s + 1 / STATES_A_S
                self._publish_state()

    def _pass(self, passed_s: float) -> None:
        """Send the bins of the time that has passed."""
        if self._paused:
            return
        self._owed += min(passed_s, 1.0) * self._speed / self._size
        due = min(int(self._owed), MOST_BINS)
        self._owed -= due
        while due > 0:
            sent = self._send(due)
            due -= sent
            if not sent:
                self._paused = True
                return

    def _send(self, most: int) -> int:
        """Send the next bins, at most so many; returns how many, 0 at the end."""
        population = self._population
        bins = population.next_length(most)
        if not bins:
            return 0
        first = round(population.position_s / self._size)
        conditions = population.at(np.zeros(bins))
        counts = population.next(bins)
        end_s = population.position_s
        self._hub.publish(Kind.BINS, bins_body(self._sent, end_s, counts))
        if conditions.shape[1]:
            self._hub.publish(Kind.CONDITIONS, conditions_body(self._sent, end_s, conditions))
        if self._file.position is not None:
            self._hub.publish(
                Kind.CURSOR, conditions_body(self._sent, end_s, self._file.position[first : first + bins])
            )
            self._show_trial(first + bins - 1)
        self._sent += bins
        return bins

    def _show_trial(self, bin: int) -> None:
        """Publish the trial of a bin of the file, where it is another than before."""
        number = self._trial_before(bin)
        under_way = number >= 0 and bin < self._file.trials[number].last_bin
        if (number, under_way) != self._shown:
            self._shown = number, under_way
            document = self._game(number, under_way)
            if document is not None:
                self._hub.publish(Kind.GAME, document_body(document))

    def _trial_before(self, bin: int) -> int:
        """Return the number of the latest trial that began at or before a bin; -1 before the first."""
        return int(np.searchsorted([trial.first_bin for trial in self._file.trials], bin, side="right")) - 1

    def _publish_state(self) -> None:
        self._hub.publish(Kind.REPLAY, document_body(self._state()))
        state = {
            "reception": asdict(Reception("live")), "health": None, "failure": "", "withheld_bins": 0,
            "viewers": len(self._hub.viewers), "dropped_frames": self._hub.dropped, "server_cpu_cores": None,
        }  # fmt: skip
        self._hub.publish(Kind.STATE, document_body(state))

    def _state(self) -> dict[str, Any]:
        population, file = self._population, self._file
        return {
            "file": printable(file.name),
            "sessions": [printable(name) for name in file.sessions],
            "decoder": printable(file.decoder),
            "at_s": population.position_s,
            "lasts_s": population.stop_s,
            "paused": self._paused,
            "speed": self._speed,
            "trials": [[trial.first_bin * self._size, trial.outcome] for trial in file.trials[:MOST_TRIALS]],
        }

    def _description(self) -> dict[str, Any]:
        recording = self._file.recording
        listed = [asdict(channel) | {"name": printable(channel.name)} for channel in recording.channels]
        return {
            "protocol": PROTOCOL,
            "name": printable(self._file.name),
            "host": "",
            "run": f"replay {id(self)}",
            "bundle": printable(recording.provenance.bundle if recording.provenance is not None else ""),
            "seed": None,
            "units": [printable(name) for name in recording.unit_names],
            "bin_size_s": self._size,
            "step_bins": 1,
            "channels": [channel["name"] for channel in listed],
            "steerable": False,
            "conditions": listed,
            "direction": direction_channels(recording.channels),
        }

    def _game(self, number: int, under_way: bool) -> dict[str, Any] | None:
        """Describe the trial of a session for the page, as a game that goes on; None of a file without a cursor."""
        file = self._file
        if file.position is None:
            return None
        done = file.trials[: number + 1] if not under_way else file.trials[:number]
        choices = file.cells**2 if file.cells else None
        last = done[-1].last_bin if done else 0
        score = score_of([trial.outcome for trial in done], (last + 1) * self._size, choices)
        return {
            "state": "ready", "decoder": "", "why": "", "note": "", "decoders": [], "calibration": None,
            "extent_cm": file.extent_cm, "following": None, "result": None, "blind": None, "saved": [],
            "run": {
                "task": "replay", "cells": file.cells or None, "choices": choices, "by_click": False, "hold_s": 0.0,
                "length_s": self._population.stop_s, "seed": 0, "player": 0, "first_bin": 0,
                "target": _target(file.trials[number]) if under_way else None, "selections": len(done),
                "latest": self._latest(done[-1]) if done else None, "score": asdict(score),
            },
        }  # fmt: skip

    def _latest(self, trial: SavedTrial) -> dict[str, Any]:
        assert self._file.position is not None
        x, y = self._file.position[min(trial.last_bin, len(self._file.position) - 1)].tolist()
        return {"at_s": trial.last_bin * self._size, "outcome": trial.outcome, "x_cm": x, "y_cm": y}


def _target(trial: SavedTrial) -> list[float]:
    x, y, width = trial.target
    return [x, y, width if width > 0 else 1.0]
