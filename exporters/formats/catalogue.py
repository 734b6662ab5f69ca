"""Recordings by name: found in SPIKELOOP_DATA, fetched from where their authors published them, or simulated."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.matlab import reader as matlab
from spikeloop.exporters.formats.named import npz
from spikeloop.exporters.pulled_bundles import cache_folder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.memory import require_memory
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.recording import Recording, from_counts, from_fluorescence
from spikeloop.models.scalars import checked_path

__all__ = ["CATALOGUE", "PublishedRecording", "published_as", "read_named"]


SIMULATING_M1, SIMULATING_PACKETS = 2**14, 2**14  # bytes of memory for each second, and for each window
FRAME_S = 0.25  # between frames of the calcium recording, as assumed
LARGEST_PUBLISHED = 2**28  # bytes; a larger file is none of these


@dataclass(frozen=True)
class PublishedRecording:
    """A recording that its authors published, and how to read it.

    Attributes
    ----------
    name, origin : str
        What it is called, and who published it.
    local : str
        Path below SPIKELOOP_DATA.
    url, sha256 : str
        Of the original file; empty where it can't be fetched.
    read_local, read_original : callables, pathlib.Path to Recording
        Readers of the two layouts.
    """

    name: str
    origin: str
    local: str
    read_local: Callable[[Path], Recording]
    url: str
    sha256: str
    read_original: Callable[[Path], Recording]


def _read_retina_npz(path: Path) -> Recording:
    return assemble(npz.find(path, Choices()), Choices())


def _read_retina_mat(path: Path) -> Recording:
    choices = Choices(bin_size_s=0.02, repeat_bins=953)
    return assemble(matlab.find(path, choices), choices)


def _read_m1_jango_mat(path: Path) -> Recording:
    arrays = matlab.read_arrays(path)
    rates_hz, position, velocity = (
        arrays[f"train_data.{name}"] for name in ("spikeratedata", "cursorposbin", "velocbin")
    )
    return _wrist_task(np.rint(rates_hz * 0.05), position, velocity)


def _read_m1_jango_npz(path: Path) -> Recording:
    arrays = npz.read_arrays(path)
    return _wrist_task(arrays["counts"], arrays["cursor_position"], arrays["cursor_velocity"])


def _wrist_task(counts: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> Recording:
    """Counts of 50-ms bins and the cursor, which is the scaled force at the wrist."""
    kinematics = np.concatenate([np.asarray(position)[:, :2], np.asarray(velocity)[:, :2]], axis=1)
    names = ("position x", "position y", "velocity x", "velocity y")
    return with_conditions(
        from_counts(counts, bin_size_s=0.05), kinematics, names, ("a.u.", "a.u.", "a.u./s", "a.u./s")
    )


def _read_calcium(path: Path) -> Recording:
    arrays = npz.read_arrays(path)
    traces, frames = arrays["denoised"], int(arrays["frames_per_trial"])
    return from_fluorescence(traces.reshape(-1, frames, traces.shape[1]), bin_size_s=FRAME_S)


def _read_rat_m1_npz(path: Path) -> Recording:
    arrays = npz.read_arrays(path)
    return _bin_rat_m1(*(arrays[key] for key in ("spike_time_ms", "unit", "trial")))


def _read_rat_m1_original(path: Path) -> Recording:
    arrays = npz.read_arrays(path)
    time_ms = np.floor(arrays["spiketimes"] - arrays["tmin"].ravel()[0]).astype(int)
    return _bin_rat_m1(time_ms, arrays["neuron_ids"].astype(int), arrays["trial_ids"].astype(int))


def _bin_rat_m1(time_ms: np.ndarray, unit: np.ndarray, trial: np.ndarray) -> Recording:
    """Millisecond spike times of 2-s trials, to counts."""
    trials, repeat = np.unique(trial, return_inverse=True)  # numbers of trials that are absent are skipped
    counts = np.zeros((len(trials), 2000, unit.max() + 1), np.uint8)
    inside = (time_ms >= 0) & (time_ms < counts.shape[1])
    np.add.at(counts, (repeat[inside], time_ms[inside], unit[inside]), 1)
    return from_counts(counts, bin_size_s=0.001)


CATALOGUE = {
    recording.name: recording
    for recording in (
        PublishedRecording(
            name="retina",
            origin="50 salamander retinal ganglion cells, natural movie; Tkacik et al. 2014, doi:10.15479/AT:ISTA:61",
            local="retina/retina.npz",
            read_local=_read_retina_npz,
            url="https://raw.githubusercontent.com/manuelmolano/Spike-GAN/0d444c37fd13100d293ec2268f44e8aefce7f97d"
            "/data/retinal%20data/original_data_num_neurons_50_1.mat",
            sha256="0af6b78a6b371b5f65b393aa3d5867d3d40628a53b469237bf009b45a0d3dcbb",
            read_original=_read_retina_mat,
        ),
        PublishedRecording(
            name="m1_jango",
            origin="96 channels of monkey motor cortex, isometric wrist task, 2014-12-03; Miller lab, limblab/bmi",
            local="m1_jango/m1_jango.npz",
            read_local=_read_m1_jango_npz,
            url="https://raw.githubusercontent.com/limblab/bmi/fd925a0f3913f74d0f3d99764cfaab9e8085bd81"
            "/default_parameters/Jango_20141203_default_offline_data.mat",
            sha256="714b66b807c01f0681cd074c2e9222daf42b57e33e780147bb1dda4106584a80",
            read_original=_read_m1_jango_mat,
        ),
        PublishedRecording(
            name="calcium_odor",
            origin="49 cells of a mouse, two-photon imaging, odor trials, denoised; jeremybiane/NeuralDataSandbox"
            " (the time between frames is not stated there; 0.25 s is assumed)",
            local="calcium_odor/calcium_odor.npz",
            read_local=_read_calcium,
            url="",
            sha256="",
            read_original=_read_calcium,
        ),
        PublishedRecording(
            name="rat_m1_ms",
            origin="30 units of rat motor cortex at 1 ms, lever taps; Williams et al. 2020, ahwillia/affinewarp",
            local="rat_m1_ms/rat_m1_ms.npz",
            read_local=_read_rat_m1_npz,
            url="https://raw.githubusercontent.com/ahwillia/affinewarp/6042b2a8d4c6646b725cc53ebf1161aa9c49d32b"
            "/examples/rat_motor_cortex/motor_ctx_data.npz",
            sha256="8c127bd4070c4810088ba5d0ece11ed9f4bb58c044952b90c9911ac69d467551",
            read_original=_read_rat_m1_original,
        ),
    )
}


def read_named(name: str, folder: Path | None = None, cache: Path | None = None) -> Recording | None:
    """Read the recording of that name; None where there is none.

    Parameters
    ----------
    name : str
        As of `read_recording`.
    folder : pathlib.Path, default the environment variable SPIKELOOP_DATA
        Where published recordings lie.
    cache : pathlib.Path, default SPIKELOOP_CACHE, or the system's cache folder
        Where recordings that were fetched are kept.

    Raises
    ------
    BadInputError
        If the name is of a simulation that there is not.
    FailureError
        If a fetch fails, or gives another file than its authors published.
    """
    kind = name.partition(":")[0]
    if kind in SIMULATED:
        return SIMULATED[kind](name)
    if name not in CATALOGUE:
        return None
    folder, cache = (None if at is None else checked_path("folder, cache", at) for at in (folder, cache))
    return _read_published(CATALOGUE[name], folder, cache)


def published_as(path: Path) -> Recording | None:
    """Read a file that one of the authors published, which is recognised by its hash; None for any other."""
    if path.is_file() and path.stat().st_size <= LARGEST_PUBLISHED:
        digest = sha256(path.read_bytes()).hexdigest()
        for published in CATALOGUE.values():
            if published.sha256 == digest:
                return replace(published.read_original(path), name=published.name, origin=published.origin)
    return None


def _read_published(published: PublishedRecording, folder: Path | None, cache: Path | None) -> Recording:
    """Read it from the folder of data, or else as fetched."""
    folder = folder or (Path(os.environ["SPIKELOOP_DATA"]) if os.environ.get("SPIKELOOP_DATA") else None)
    if folder and (folder / published.local).is_file():
        recording = published.read_local(folder / published.local)
    else:
        recording = published.read_original(_fetch(published, cache))
    return replace(recording, name=published.name, origin=published.origin)


def _simulate_m1(name: str) -> Recording:
    from spikeloop.models.recordings.simulated_cortex import m1_sim

    asked = re.fullmatch(r"m1-sim(?::(\d{1,9}(?:\.\d{1,9})?)(:drift)?)?", name, re.ASCII)
    if asked is None:
        raise BadInputError(f"expected m1-sim, m1-sim:SECONDS or m1-sim:SECONDS:drift, found {name!r:.60}")
    require_memory(name, SIMULATING_M1 * float(asked[1] or 1800))
    return replace(m1_sim(float(asked[1] or 1800), drift=bool(asked[2])), name=name)


def _simulate_packets(name: str) -> Recording:
    from spikeloop.models.recordings.simulated import packets

    asked = re.fullmatch(r"packets:([12]):([1-9]\d{0,5})", name, re.ASCII)
    if asked is None:
        raise BadInputError(
            f"expected packets:MODES:WINDOWS, of 1 or 2 modes, such as packets:1:8192, found {name!r:.60}"
        )
    require_memory(name, SIMULATING_PACKETS * int(asked[2]))
    return replace(packets(int(asked[2]), modes=2 if asked[1] == "2" else 1).recording, name=name)


SIMULATED = {"m1-sim": _simulate_m1, "packets": _simulate_packets}


def _fetch(published: PublishedRecording, cache: Path | None) -> Path:
    import pooch

    if not published.url:
        raise FailureError(
            f"{published.name} can't be fetched; set SPIKELOOP_DATA to the folder that has {published.local}"
        )
    try:
        fetched = pooch.retrieve(
            published.url,
            known_hash=f"sha256:{published.sha256}",
            fname=f"{published.name}{Path(published.url).suffix}",
            path=cache or cache_folder(),
            progressbar=False,
        )
    except Exception as error:  # requests, pooch and the disk each raise their own
        reason = type(error).__name__ if isinstance(error, OSError) else error  # the texts of requests fill a page
        raise FailureError(
            f"could not fetch {published.name} from {published.url} ({reason});"
            f" fetch it by hand, or set SPIKELOOP_DATA to the folder that has {published.local}"
        ) from error
    return Path(fetched)
