"""Games as sessions of a closed loop, and their files: the same as of `closedloop --save`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.spec import DecoderSpec
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.experiment.generated import Generated
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import BlockRecorder, Moment, SessionRecord, Trial
from spikeloop.streamer.closedloop.experiment.users import View
from spikeloop.streamer.closedloop.results.saved import check_one_session, saved_path, write_npz
from spikeloop.streamer.closedloop.setup import Setup
from spikeloop.streamer.dashboard.play.game import Game

__all__ = ["FinishedGame", "file_name", "record_of", "save_games", "trials_of"]

BLOCK = "closed loop"


@dataclass(frozen=True, eq=False)
class FinishedGame:
    """A game that is over.

    Attributes
    ----------
    game : Game
    spec : DecoderSpec
    intended_velocity : array of shape (bins, 2), cm/s
        In each of its bins.
    generated : Generated
        What the population gave.
    latency_s : dict of arrays by stage, s
        Measured meanwhile.
    """

    game: Game
    spec: DecoderSpec
    intended_velocity: Floats
    generated: Generated
    latency_s: dict[str, Floats]


def trials_of(game: Game) -> tuple[Trial, ...]:
    """Return the trials of a game that is over, as a closed loop records them."""
    recorder = _recorder(game, np.zeros((len(game.bins), 2)))
    return tuple(recorder.trial(trial) for trial in game.trials)


def record_of(game: Game, intended_velocity: Floats, bin_size_s: float) -> SessionRecord:
    """Return a game that is over, as the record of a session."""
    recorder = _recorder(game, intended_velocity)
    return SessionRecord(
        bin_size_s=bin_size_s,
        blocks=(recorder.block(),),
        trials=tuple(recorder.trial(trial) for trial in game.trials),
        events=tuple((recorder.name, event) for trial in game.trials for event in trial.events),
        offline=None,
    )


def _recorder(game: Game, intended_velocity: Floats) -> BlockRecorder:
    recorder = BlockRecorder(BLOCK, len(game.bins[0].counts) if game.bins else 0)
    for place, (played, intended) in enumerate(zip(game.bins, intended_velocity, strict=True)):
        view = View(played.position_cm, played.velocity_cm_s, played.shown)
        recorder.add(Moment(BLOCK, place, view, intended, played.events), played.counts, played.aim)
    return recorder


def file_name(finished: Sequence[FinishedGame], suffix: str, now: datetime) -> str:
    """Name a file by task, decoders and time."""
    decoders = "-".join(re.sub(r"\W+", "-", one.spec.name)[:40] for one in finished)
    return f"{finished[0].game.setup.task.name}-{decoders}-{now:%Y%m%d-%H%M%S}.{suffix}"


def save_games(path: Path, bundle: Bundle, finished: Sequence[FinishedGame]) -> None:
    """Write one game, or those of two decoders, to a new file ending in .npz or .nwb; an NWB file holds one.

    Beside what `closedloop --save` writes, an .npz has the latencies as PLACE-SEED/latency/STAGE, s, and
    PLACE-SEED/game/length_s, choices and by_click.

    Raises
    ------
    BadInputError
        If there is no such format, or it can't hold them.
    FailureError
        If the disk refuses, or PyNWB is needed and not installed.
    """
    file = saved_path(path)
    game = finished[0].game
    setup = Setup(
        bundle=bundle.card.name,
        loaded=bundle,
        decoders={one.spec.name: one.spec for one in finished},
        plan=Plan(game.setup.task, max(1, len(game.trials)), 0.0, seed=game.setup.seed),
        seeds=(game.setup.seed,),
        clock="real",
    )
    size = bundle.card.bin_size_s
    runs = [
        Run(one.spec.name, game.setup.seed, record_of(one.game, one.intended_velocity, size), None, one.generated)
        for one in finished
    ]
    _make_folder(file.parent)
    if file.suffix == ".npz":
        write_npz(file, setup, runs, _beside(finished))
        return
    from spikeloop.streamer.closedloop.results.saved_nwb import write_session

    check_one_session(len(runs), 1)
    write_session(file, runs[0])


def _beside(finished: Sequence[FinishedGame]) -> dict[str, np.ndarray]:
    """Return what a file has of games beyond that of sessions."""
    arrays = {}
    for place, one in enumerate(finished):
        session, setup = f"{place}-{one.game.setup.seed}", one.game.setup
        arrays |= {f"{session}/latency/{stage}": values for stage, values in one.latency_s.items()}
        facts = {"length_s": setup.length_s, "choices": setup.task.choices or 0, "by_click": setup.by_click}
        arrays |= {f"{session}/game/{name}": np.array(value) for name, value in facts.items()}
    return arrays


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise BadInputError(f"--save-to: expected a folder, found a file, {folder}; choose another one") from error
    except OSError as error:
        raise FailureError(f"--save-to: {folder} can't be made ({error.strerror}); choose another one") from error
