"""Probes by name or from a file: two of our own, and those of https://probeinterface.readthedocs.io."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_path, checked_text, checked_whole
from spikeloop.streamer.broadband.probe import MOST_CHANNELS, Probe, linear_probe, utah_array

__all__ = ["PROBES", "open_probe", "probe_of"]

BETWEEN_TETRODES_UM = 250.0
NEUROPIXELS_1, NEUROPIXELS_2, NEUROPIXELS_2_SHANKS = "NP1000", "NP2000", "NP2013"  # imec's part numbers


class NamedProbe(NamedTuple):
    """How a probe of this name is made, with how many channels it has by default and at most."""

    make: Callable[[int], Probe]
    channels: int
    most: int = MOST_CHANNELS


def open_probe(name: str = "utah", channels: int | None = None) -> Probe:
    """Make an array of a stated geometry.

    Parameters
    ----------
    name : str
        `utah`, a square grid of 400 µm pitch, row by row, without its corners where that makes the number fit (96 of
        10 x 10); `linear`, two columns 32 µm apart in rows of 20 µm, row by row; `neuropixels-1.0`, `neuropixels-2.0`
        and `neuropixels-2.0-4`, imec's NP1000, NP2000 and NP2013 with four shanks, of which the contacts nearest the
        tips are channels; `tetrodes`, in a row, 250 µm apart; or a file of probeinterface, whose contacts are
        channels in the order in which they are wired.
    channels : int from 1 to 4096, optional
        By default 96 of `utah`, 384 of `linear` and of Neuropixels, 32 of `tetrodes`; of a file, all.

    Raises
    ------
    BadInputError
        If there is no such array, or it has no so many channels.
    FailureError
        If it needs probeinterface, which is not installed.
    """
    if checked_text("--probe", name) not in PROBES:
        return _from_file(name, channels)
    probe = PROBES[name]
    return probe.make(probe.channels if channels is None else checked_whole("--channels", channels, 1, probe.most))


def probe_of(contacts: Any, name: str) -> Probe:
    """Return what a `probeinterface.Probe` holds, its contacts in the order in which they are wired.

    Raises
    ------
    BadInputError
        If it isn't flat, its unit is not um, or no contact is wired.
    """
    if contacts.ndim != 2 or contacts.si_units != "um":
        raise BadInputError(
            f"--probe: expected a flat probe in um, found one of {contacts.ndim} dimensions in {contacts.si_units};"
            " make it flat with its method to_2d"
        )
    wired = contacts.device_channel_indices
    order = np.arange(contacts.get_contact_count()) if wired is None else np.argsort(wired, kind="stable")
    order = order if wired is None else order[np.asarray(wired)[order] >= 0]
    if not len(order):
        raise BadInputError(f"--probe {name}: expected wired contacts, found none; see probeinterface's wiring")
    shape, size_um = contacts.contact_shapes[order[0]], contacts.contact_shape_params[order[0]]
    positions_um = np.asarray(contacts.contact_positions, np.float64)[order]
    return Probe(name, positions_um, str(shape), {key: float(value) for key, value in size_um.items()})


def _from_file(name: str, channels: int | None) -> Probe:
    path = checked_path("--probe", name)
    if not path.is_file():
        raise BadInputError(
            f"--probe: expected {', '.join(PROBES)} or a file of probeinterface, found {name!r:.80}, which is no file"
        )
    try:
        group = _probeinterface("--probe FILE").read_probeinterface(path)
        (contacts,) = group.probes
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"--probe {path}: expected a file of probeinterface with one probe ({error}); write it with"
            " probeinterface.write_probeinterface"
        ) from error
    return _first(probe_of(contacts, path.stem), channels)


def _first(probe: Probe, channels: int | None) -> Probe:
    most = min(probe.channels, MOST_CHANNELS)
    kept = checked_whole("--channels", probe.channels if channels is None else channels, 1, most)
    return Probe(probe.name, probe.positions_um[:kept], probe.shape, probe.size_um)


def _neuropixels(name: str, part: str, shanks: int = 1) -> Callable[[int], Probe]:
    """Make a probe of imec's, whose contacts nearest the tips of its shanks are channels, shank after shank."""

    def make(channels: int) -> Probe:
        tools = _probeinterface(f"--probe {name}", ".neuropixels_tools")
        probe = probe_of(tools.build_neuropixels_probe(part), name)
        x_um, y_um = probe.positions_um.T
        shank = np.zeros(probe.channels, int) if shanks == 1 else np.searchsorted(_gaps(x_um), x_um)
        of_each = -(-channels // shanks)
        order = np.lexsort((x_um, y_um, shank))
        first = np.concatenate([order[shank[order] == each][:of_each] for each in range(shanks)])[:channels]
        return Probe(name, probe.positions_um[first], probe.shape, probe.size_um)

    return make


def _gaps(x_um: np.ndarray) -> np.ndarray:
    """Return the middles of the gaps between shanks, which are wider than those between columns."""
    columns = np.unique(x_um)
    wide = np.flatnonzero(np.diff(columns) > 100.0)
    return (columns[wide] + columns[wide + 1]) / 2


def _tetrodes(channels: int) -> Probe:
    four = probe_of(_probeinterface("--probe tetrodes").generate_tetrode(), "tetrodes")
    number = np.arange(-(-channels // 4)).repeat(4)
    positions_um = np.tile(four.positions_um, (-(-channels // 4), 1))
    positions_um[:, 0] += BETWEEN_TETRODES_UM * number
    return Probe("tetrodes", positions_um[:channels], four.shape, four.size_um)


def _probeinterface(what: str, module: str = "") -> Any:
    require_packages("probeinterface", extra="sorters", what=what)
    return import_module(f"probeinterface{module}")


PROBES = {
    "utah": NamedProbe(utah_array, 96),
    "linear": NamedProbe(linear_probe, 384),
    "neuropixels-1.0": NamedProbe(_neuropixels("neuropixels-1.0", NEUROPIXELS_1), 384, 960),
    "neuropixels-2.0": NamedProbe(_neuropixels("neuropixels-2.0", NEUROPIXELS_2), 384, 1280),
    "neuropixels-2.0-4": NamedProbe(_neuropixels("neuropixels-2.0-4", NEUROPIXELS_2_SHANKS, 4), 384, MOST_CHANNELS),
    "tetrodes": NamedProbe(_tetrodes, 32),
}
