"""A loop that a visitor closes, without a browser and without a stream: its parts pass bins to each other."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.dashboard.frames import Kind, Request
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.play.calibration import Calibration
from spikeloop.streamer.dashboard.play.play import Play
from spikeloop.streamer.dashboard.play.requests import PlayRequests
from spikeloop.streamer.dashboard.play.ties import Ties
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.stream.perturbations import Perturbations
from spikeloop.streamer.stream.source import open_source
from spikeloop.streamer.stream.step import Step, timed_spikes
from tests.support.web_pages import Received, received

__all__ = ["PLAYER", "PlayedLoop"]

PLAYER = 1
SEED = 1
GAIN_PER_S = 5.0  # of the hand, as in the page


class PlayedLoop:
    """A population that a visitor drives, bin by bin, and the page that looks on; on the event loop.

    What a visitor intends drives the bins that begin so many later, as in real time.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        calibration: Calibration,
        delay_bins: int = 2,
        decoders: tuple[str, ...] = (),
    ) -> None:
        self.play_folder = folder
        self.bundle, self.bin, self.size = bundle, 0, bundle.card.bin_size_s
        self.hub, self.marks = Hub(), []
        self.hub.open(asyncio.get_running_loop())
        self.page = self.hub.enter()
        self.driving = [np.zeros(len(bundle.card.channels), np.float32)] * (delay_bins + 1)
        ties = Ties(self.drive, lambda event, **details: self.marks.append((event, details)), lambda: None, self.now)
        self.play = Play(bundle, self.hub, ties, folder, decoders, calibration)
        self.requests = PlayRequests(self.play)
        self.source = open_source(bundle, SEED, "cpu")
        random = random_stream(SEED, Purpose.STREAM_PERTURBATIONS)
        self.perturbations = Perturbations(len(bundle.card.unit_names), 0.0, self.size, random)
        self.spike_random = random_stream(SEED, Purpose.EVENT_TIMES)
        card = bundle.card
        card, made_by = bundle.card, (bundle.card.name, bundle.sha256, SEED, 1, 0.0, "steered:rest")
        about = StreamDescription("loop", "Spikes", card.unit_names, self.size, "host", "uid", *made_by)
        self.play.begin_run(replace(about, latency_bins=card.latency_bins, version="0.1"))

    def now(self) -> float:
        """The time at the end of the latest bin."""
        return self.bin * self.size

    def drive(self, values: Any) -> None:
        rest = np.zeros(len(self.bundle.card.channels))
        self.driving[-1] = (rest if values is None else values).astype(np.float32)

    def ask(self, kind: Kind, document: Any = None, number: int = PLAYER) -> None:
        payload = b"" if document is None else json.dumps(document).encode()
        self.requests.ask(Request(kind, payload), number)

    async def until(self, kind: Kind, wanted=lambda document: True) -> Received:
        while True:
            message = received(await self.page.next())
            if message.kind == kind and wanted(message.document):
                return message

    async def game(self, **wanted: Any) -> dict[str, Any]:
        """The next state of the game that has these values."""
        state = await self.until(Kind.GAME, lambda found: all(found[key] == value for key, value in wanted.items()))
        return state.document

    async def ready(self, decoder: str = "wiener") -> dict[str, Any]:
        self.ask(Kind.PLAY, {"decoder": decoder})
        return await self.game(state="ready", decoder=decoder)

    def step(self) -> np.ndarray:
        """Let a bin pass; returns where the cursor then is."""
        conditions = self.driving[0][np.newaxis]
        counts, ends_s = self.source.next(1, conditions), np.array([(self.bin + 1) * self.size])
        spikes = timed_spikes(counts, self.bin, 0.0, self.size, self.spike_random)
        step = Step(self.bin, counts, conditions, ends_s, spikes.units, spikes.times_s)
        counts = self.perturbations.apply(step).counts
        bin, self.bin = self.bin, self.bin + 1
        self.driving = [*self.driving[1:], self.driving[-1]]
        self.play.decode(bin, Segment(counts, ends_s, True))
        self.play.driven(bin, ends_s, conditions)
        return self.cursor

    def perturb(self, kind: str, value: float, act: int) -> None:
        """Let something go wrong from the next bin on, and mark it as the stream does."""
        stamp_s = self.perturbations.set(kind, value)
        units = {"units": self.perturbations.in_force["units"]} if kind == "drop" else {}
        marker = {"event": "perturb", "kind": kind, "value": value, "stamp_s": stamp_s, "act": act}
        self.play.marked(json.dumps(marker | units))

    @property
    def cursor(self) -> np.ndarray:
        return self.play.loop.cursor.position_cm

    @property
    def target(self) -> Target | None:
        """That of the game, while it is to be seen."""
        return None if self.play.game is None else self.play.game.target

    def aim(self, velocity, number: int | None = None) -> None:
        self.ask(Kind.AIM, {"velocity_cm_s": [float(v) for v in velocity], "number": number})

    async def play_game(self, clicks: bool = False, **asked: Any) -> dict[str, Any]:
        """Play a game with a hand that points to the target; the result."""
        self.ask(Kind.BEGIN, {"task": "webgrid", "cells": 6, "length_s": 30, "seed": 3, "select": "dwell"} | asked)
        state = await self.game(result=None)
        while state["run"] is None:
            state = await self.game(result=None)
        return await self.play_on(clicks)

    async def play_on(self, clicks: bool = False) -> dict[str, Any]:
        while self.play.player is not None:
            target = self.target
            if target is not None:
                x, y = target.place_cm
                away = np.array([x, y]) - self.cursor
                self.aim(GAIN_PER_S * away * min(1, 40 / (GAIN_PER_S * np.hypot(*away) + 1e-9)))
                if clicks and np.abs(away).max() < 0.4 * target.width_cm:
                    self.ask(Kind.CLICK, {"bin": self.bin - 1})
            self.step()
            await asyncio.sleep(0)
        while (state := (await self.game(run=None)))["result"] is None:
            pass
        return state
