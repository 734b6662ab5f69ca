"""Positions of an array's channels, and of units near them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spikeloop.models.arrays import Floats

__all__ = ["MOST_CHANNELS", "Probe", "linear_probe", "place_units", "utah_array"]

MOST_CHANNELS = 4096
PITCH_UM = 400.0  # of a Utah array (Maynard et al. 1997, Electroencephalogr Clin Neurophysiol 102:228)
ROW_UM, COLUMN_UM = 20.0, 32.0  # of a silicon probe with two columns, about as dense as Neuropixels
NEAREST_UM, FURTHEST_UM = 20.0, 60.0  # units that can be separated lie within some 50 um (Henze et al. 2000)


@dataclass(frozen=True, eq=False)
class Probe:
    """An array of electrodes.

    Attributes
    ----------
    name : str
    positions_um : array of shape (channels, 2), float64, µm
        In the plane of the electrodes.
    shape : str
        Of a contact: circle, square or rect, as probeinterface has them.
    size_um : mapping of str to float, µm
        Of a contact: its radius, its width, or its width and height.
    """

    name: str
    positions_um: Floats
    shape: str = "circle"
    size_um: Mapping[str, float] = field(default_factory=lambda: {"radius": 6.0})

    @property
    def channels(self) -> int:
        """The number of channels."""
        return len(self.positions_um)


def utah_array(channels: int = 96) -> Probe:
    """Make a square grid of 400 µm pitch, row by row, without its corners where that makes the number fit."""
    return Probe("utah", _grid(channels), "circle", {"radius": 20.0})


def linear_probe(channels: int = 384) -> Probe:
    """Make a shank of two columns 32 µm apart in rows of 20 µm, row by row."""
    return Probe("linear", _columns(channels))


def place_units(probe: Probe, units: int, random: np.random.Generator) -> Floats:
    """Draw positions of units, each 20 to 60 µm from a channel; channels get equally many as far as possible.

    Parameters
    ----------
    probe : Probe
    units : int >= 1
    random : numpy.random.Generator

    Returns
    -------
    array of shape (units, 3), float64, µm
        The third coordinate is the distance from the plane of the electrodes.
    """
    rounds = -(-units // probe.channels)
    channels = np.concatenate([random.permutation(probe.channels) for _ in range(rounds)])[:units]
    direction = random.standard_normal((units, 3))
    direction[:, 2] = np.abs(direction[:, 2])
    distance_um = random.uniform(NEAREST_UM, FURTHEST_UM, (units, 1))
    away_um = distance_um * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return np.pad(probe.positions_um[channels], ((0, 0), (0, 1))) + away_um


def _grid(channels: int) -> Floats:
    side = math.ceil(math.sqrt(channels))
    rows, columns = np.divmod(np.arange(side * side), side)
    if side * side - channels == 4:
        inside = ~(np.isin(rows, (0, side - 1)) & np.isin(columns, (0, side - 1)))
        rows, columns = rows[inside], columns[inside]
    return PITCH_UM * np.column_stack([columns, rows])[:channels].astype(np.float64)


def _columns(channels: int) -> Floats:
    rows, columns = np.divmod(np.arange(channels), 2)
    return np.column_stack([COLUMN_UM * columns, ROW_UM * rows])
