"""`spikeloop.read_broadband`: the voltage that `generate --broadband` wrote, for SpikeInterface."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import import_package
from spikeloop.models.scalars import checked_path
from spikeloop.streamer.broadband.probe_file import PROBE_SUFFIX

__all__ = ["read_broadband"]

FACTS = {"rate_hz": (int, float), "channels": int, "dtype": str, "microvolts_per_bit": (int, float), "units": list}


def read_broadband(path: str | Path) -> tuple[Any, Any]:
    """Open a file of voltage as a SpikeInterface recording, with its probe, and the true spikes as a sorting.

    Parameters
    ----------
    path : str or pathlib.Path
        FILE.raw, with FILE.json, FILE.probe.json and FILE.npz beside it, as `spikeloop generate --broadband` writes
        them.

    Returns
    -------
    recording : spikeinterface.BaseRecording
        In microvolts where asked for with `return_in_uV=True`; its probe is attached.
    sorting : spikeinterface.BaseSorting
        The spikes that are in the voltage. Units are numbered; the property `unit_name` holds their names.

    Raises
    ------
    BadInputError
        If a file is missing or damaged.
    FailureError
        If SpikeInterface is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> recording, truth = spikeloop.read_broadband("trace.raw")  # doctest: +SKIP
    """
    raw = checked_path("path", path)
    core = import_package("spikeinterface.core", "read_broadband")
    probeinterface = import_package("probeinterface", "read_broadband")
    header, spikes = _described(raw)
    _check_whole(raw, header)
    recording = core.read_binary(
        str(raw), sampling_frequency=float(header["rate_hz"]), dtype=header["dtype"], num_channels=header["channels"],
        gain_to_uV=header["microvolts_per_bit"], offset_to_uV=0.0,
    )  # fmt: skip
    try:
        probe = probeinterface.read_probeinterface(raw.with_suffix(PROBE_SUFFIX))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _missing(raw, PROBE_SUFFIX, error) from error
    attached = recording.set_probegroup(probe)
    recording = recording if attached is None else attached  # by older versions a copy is returned
    units = np.arange(len(header["units"]))
    trains = {int(unit): spikes["samples"][spikes["units"] == unit] for unit in units}
    sorting = core.NumpySorting.from_unit_dict([trains], sampling_frequency=float(header["rate_hz"]))
    sorting.set_property("unit_name", np.array([unit["name"] for unit in header["units"]]))
    return recording, sorting


def _check_whole(raw: Path, header: dict[str, Any]) -> None:
    """Check that the file has as many samples as are described."""
    if not isinstance(samples := header.get("samples"), int):
        return
    expected, found = samples * header["channels"] * np.dtype(header["dtype"]).itemsize, raw.stat().st_size
    if found != expected:
        raise BadInputError(
            f"{raw}: expected {expected:,} bytes ({samples:,} samples of {header['channels']} channels), found"
            f" {found:,}; is it whole? Copy or generate it again"
        )


def _described(raw: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what lies beside the voltage: its description, and its spikes."""
    if not raw.is_file():
        raise BadInputError(f"{raw}: expected a file of voltage, found none; generate writes one with --broadband")
    try:
        header = json.loads(raw.with_suffix(".json").read_text())
        if not all(isinstance(header[key], kind) for key, kind in FACTS.items()):
            raise TypeError("another document")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _missing(raw, ".json", error) from error
    try:
        with np.load(raw.with_suffix(".npz")) as archive:
            spikes = {key: archive[key] for key in ("samples", "units")}
    except Exception as error:  # NumPy and zipfile each raise their own on damaged files
        raise _missing(raw, ".npz", error) from error
    return header, spikes


def _missing(raw: Path, suffix: str, error: Exception) -> BadInputError:
    beside = raw.with_suffix(suffix)
    return BadInputError(
        f"{beside}: expected what generate --broadband writes beside {raw.name} ({error}); generate it again"
    )
