"""NWB files as other laboratories and libraries write them, made with PyNWB, or by hand with h5py."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SPIKES", "empty_session", "read_by_pynwb", "save_session", "session_of_a_lab", "session_of_reaches", "velocity_at",
]  # fmt: skip

SPIKES: tuple[NDArray[Any], ...] = (
    np.array([0.101, 0.3, 1.25, 1.2500001, 7.9]),
    np.array([]),
    np.array([0.11, 2.0, 2.0, 5.5]),
    np.sort(np.random.Generator(np.random.Philox(3)).uniform(0.1, 8, 200)),
)
QUALITIES = ("good", "noise", "mua", "good")
IDS = (7, 3, 12, 101)


def velocity_at(times: NDArray[Any]) -> NDArray[Any]:
    """Velocity in m/s, x and y."""
    return np.stack([np.sin(times), 0.5 * np.cos(times)], axis=1)


def empty_session(**options: Any) -> Any:
    """A session without data."""
    from pynwb import NWBFile

    return NWBFile(
        session_description="a session",
        identifier="an-identifier",
        session_start_time=datetime(2024, 5, 1, tzinfo=UTC),
        **options,
    )


def save_session(session: Any, path: Path) -> Path:
    """Write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with import_module("pynwb").NWBHDF5IO(str(path), "w") as writer:
            writer.write(session)
    return path


@contextmanager
def read_by_pynwb(path: Path) -> Iterator[Any]:
    """The session as PyNWB reads it."""
    with import_module("pynwb").NWBHDF5IO(str(path), "r") as reader:
        yield reader.read()


def session_of_a_lab(path: Path) -> Path:
    """Units of two electrode groups, trials, other intervals, behaviour, a stimulus and counts."""
    session = empty_session()
    _add_units(session)
    for number in range(4):
        start = 0.5 + 2 * number
        session.add_trial(start_time=start, stop_time=start + 1.0 + 0.1 * number)
    session.add_trial_column("target_x", "of the target", data=[1.0, -1.0, 3.5, 0.25])
    session.add_trial_column("outcome", "what came of it", data=["hit", "miss", "hit", "hit"])
    session.add_epoch(0.0, 4.0, ["first"])
    session.add_epoch(4.0, 8.0, ["second"])
    _add_behaviour(session)
    _add_counts(session)
    return save_session(session, path)


def session_of_reaches(path: Path, duration_s: float = 120.0, units: int = 12) -> Path:
    """Units whose rates follow the velocity of a hand, which is sampled at 250 Hz, in m/s."""
    from pynwb.behavior import SpatialSeries

    random = np.random.Generator(np.random.Philox(8))
    times = np.arange(0, duration_s, 0.004)
    velocity = 0.3 * np.stack([np.sin(1.7 * times) * np.sin(0.31 * times), np.sin(2.3 * times + 1)], axis=1)
    directions = np.linspace(0, 2 * np.pi, units, endpoint=False)
    rates_hz = 15 * np.exp(3 * velocity @ np.stack([np.cos(directions), np.sin(directions)]))
    session = empty_session()
    for rate_hz in rates_hz.T:
        spikes = times[random.random(len(times)) < rate_hz * 0.004]
        session.add_unit(spike_times=spikes + random.uniform(0, 0.004, len(spikes)))
    behavior = session.create_processing_module("behavior", "of the hand")
    behavior.add(SpatialSeries(name="Velocity", data=velocity, rate=250.0, unit="m/s", reference_frame="the table"))
    return save_session(session, path)


def _add_units(session: Any) -> None:
    device = session.create_device("probe")
    groups = [session.create_electrode_group(name, "", "M1", device) for name in ("shank 0", "shank 1")]
    for number in range(4):
        session.add_electrode(location="M1", group=groups[number % 2])
    session.add_unit_column("quality", "by the curator")
    session.add_unit_column("depth_um", "below the surface")
    for number, (times, quality, id_) in enumerate(zip(SPIKES, QUALITIES, IDS, strict=True)):
        session.add_unit(
            spike_times=times,
            obs_intervals=[[0.1, 4.0], [4.0, 8.0]],
            electrodes=[number],
            electrode_group=groups[number % 2],
            quality=quality,
            depth_um=100.0 * number,
            id=id_,
        )


def _add_behaviour(session: Any) -> None:
    from pynwb import TimeSeries
    from pynwb.behavior import BehavioralTimeSeries, CompassDirection, Position, PupilTracking, SpatialSeries
    from pynwb.misc import IntervalSeries

    behaviour = session.create_processing_module("behavior", "of the animal")
    times = np.arange(900) / 100
    velocity = velocity_at(times)
    behaviour.add(
        TimeSeries(name="Velocity", data=velocity / 0.01, unit="m/s", conversion=0.01, starting_time=0.0, rate=100.0)
    )
    hand = SpatialSeries(
        name="hand", data=velocity, reference_frame="room", timestamps=times + 0.001, unit="cm", offset=5.0
    )
    behaviour.add(Position(spatial_series=hand))
    compass = SpatialSeries(name="heading", data=times, reference_frame="north", timestamps=times, unit="radians")
    behaviour.add(CompassDirection(spatial_series=compass))
    pupil = TimeSeries(name="diameter", data=(times * 10).astype("int16"), timestamps=times, unit="n.a.")
    behaviour.add(PupilTracking(time_series=pupil))
    forces = [TimeSeries(name=name, data=times, rate=100.0, unit="N") for name in ("force", "torque")]
    behaviour.add(BehavioralTimeSeries(time_series=forces))
    switches = IntervalSeries(name="light", data=np.array([1, -1, 1, -1], "int8"), timestamps=[1.0, 2.0, 5.0, 5.5])
    session.add_acquisition(switches)
    session.add_stimulus(TimeSeries(name="contrast", data=times**2, timestamps=times, unit="percent"))
    session.add_acquisition(TimeSeries(name="notes", data=["a", "b"], timestamps=[1.0, 2.0], unit="n.a."))


def _add_counts(session: Any) -> None:
    from pynwb import TimeSeries

    ecephys = session.create_processing_module("ecephys", "spikes in bins")
    counts = np.arange(80, dtype=np.uint16).reshape(20, 4) % 7
    ecephys.add(TimeSeries(name="binned_spikes", data=counts, unit="spikes", starting_time=1.0, rate=20.0))
    stamps = np.concatenate([np.arange(12), np.arange(30, 38)]) * 0.05
    ecephys.add(TimeSeries(name="binned_in_trials", data=counts, unit="spikes", timestamps=stamps))
