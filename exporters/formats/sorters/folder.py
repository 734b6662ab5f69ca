"""Folders of Kilosort and Phy: the sample and the cluster of each spike, and what the clusters were labelled.

Folders of IBL's ALF convention, with times in seconds, are read alike.
"""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import TIME_UNITS, Choices
from spikeloop.exporters.formats.found import Found, Item, SpikeTrains
from spikeloop.exporters.formats.sorters.folder_arrays import (
    folder_of,
    open_array,
    refuse_conditions,
    small_text,
    without_labelled,
)
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.spike_times import trains_of

__all__ = ["find", "is_sorter_folder", "items"]

SAMPLES, SECONDS = "spike_times.npy", "spikes.times.npy"
CLUSTERS = ("spike_clusters.npy", "spikes.clusters.npy", "spike_templates.npy", "spikes.templates.npy")  # curated first
PARAMETERS = "params.py"
TABLES = (  # of labels, the later ones are better
    ("cluster_KSLabel.tsv", ("KSLabel",)),
    ("cluster_info.tsv", ("KSLabel", "group")),
    ("cluster_groups.csv", ("group",)),
    ("cluster_group.csv", ("group", "KSLabel")),
    ("cluster_group.tsv", ("group", "KSLabel")),
)
NOISE, UNLABELLED = "noise", "unsorted"
RATE = re.compile(r"^\s*sample_rate\s*=\s*(?:float\()?\s*(\d+\.?\d*(?:[eE]\+?\d+)?)", re.MULTILINE)
FILES = tuple(name.lower() for name in (SAMPLES, SECONDS, *CLUSTERS, PARAMETERS, *(name for name, _ in TABLES)))


def is_sorter_folder(path: Path) -> bool:
    """Say whether a path is such a folder, or a file of one."""
    folder = folder_of(path, FILES)
    return folder is not None and _times_in(folder) is not None and _clusters_in(folder) is not None


def items(path: Path) -> tuple[Item, ...]:
    """List the spikes, and the tables of labels."""
    folder = folder_of(path, FILES) or path
    found = []
    for name in (SAMPLES, SECONDS, *CLUSTERS):
        if (folder / name).is_file():
            values = open_array(folder / name)
            what = "spike times" if name in (SAMPLES, SECONDS) else "numbers"
            found.append(Item(name, what, values.shape, str(values.dtype), "s" if name == SECONDS else ""))
    return (*found, *(Item(name, "text") for name, _ in TABLES if (folder / name).is_file()))


def find(path: Path, choices: Choices) -> Found:
    """Read the spikes of all clusters but those labelled noise, which `--units all` keeps.

    Raises
    ------
    BadInputError
        If arrays can't be read or don't fit together, or the sampling rate is not known.
    """
    refuse_conditions(choices.conditions, path)
    folder = folder_of(path, FILES) or path
    times_at, clusters_at = _times_in(folder), _clusters_in(folder)
    assert times_at is not None
    assert clusters_at is not None
    times, clusters = open_array(times_at, 1, "iuf"), open_array(clusters_at, 1, "iuf")
    if clusters.dtype.kind == "f" and not (clusters % 1 == 0).all():
        raise BadInputError(f"{clusters_at}: expected numbers of clusters, found {clusters.dtype}")
    _check_time_unit(times, times_at, choices.time_unit)
    trains, names = trains_of(times, clusters.astype(np.int64), folder.name)
    if not choices.time_unit:
        rate_hz = 1.0 if times_at.name == SECONDS else _rate_hz(folder)
        trains = [train / rate_hz for train in trains]
    by_cluster = _labels(folder)
    labels = tuple(by_cluster.get(name, UNLABELLED) for name in names) if by_cluster else None
    kept, done = without_labelled(NOISE, labels, names, choices.units)
    return Found(
        SpikeTrains([trains[number] for number in kept], start_s=None if choices.time_unit else 0.0),
        tuple(names[number] for number in kept),
        None if labels is None else tuple(labels[number] for number in kept),
        name=folder.resolve().name,
        origin=f"{folder.name}/{clusters_at.name}",
        history=() if done is None else (done,),
        chosen_by_number=True,
    )


def _times_in(folder: Path) -> Path | None:
    return next((folder / name for name in (SAMPLES, SECONDS) if (folder / name).is_file()), None)


def _clusters_in(folder: Path) -> Path | None:
    return next((folder / name for name in CLUSTERS if (folder / name).is_file()), None)


def _check_time_unit(times: NDArray[Any], path: Path, time_unit: str) -> None:
    """Refuse to take numbers of samples for seconds: a recording of hours would become one of years."""
    if path.name == SAMPLES and times.dtype.kind in "iu" and time_unit in TIME_UNITS:
        raise BadInputError(
            f"--time-unit: expected a sampling rate such as '30000 Hz', as {path} holds whole numbers of samples, found"
            f" {time_unit}; leave it out where {PARAMETERS} has the sampling rate"
        )


def _rate_hz(folder: Path) -> float:
    """Read the sampling rate off params.py, which is searched, not run."""
    stated = RATE.search(small_text(folder / PARAMETERS))
    rate_hz = float(stated[1]) if stated else 0.0
    if not 1 <= rate_hz <= 1e9:
        there = "says none" if (folder / PARAMETERS).is_file() else "is missing"
        raise BadInputError(
            f"{folder}: expected the sampling rate as sample_rate in {PARAMETERS}, which {there}; give it:"
            " --time-unit '30000 Hz'"
        )
    return rate_hz


def _labels(folder: Path) -> dict[str, str]:
    """Read what each cluster was labelled, by the name of its unit."""
    labels: dict[str, str] = {}
    for table, columns in TABLES:
        text = small_text(folder / table)
        if not text:
            continue
        try:
            rows = list(csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
        except csv.Error:
            continue
        for row in rows:
            cluster = re.fullmatch(r"\s*(\d{1,18})(?:\.0*)?\s*", row.get("cluster_id") or row.get("id") or "", re.ASCII)
            for column in columns:
                label = row.get(column)
                if isinstance(label, str) and label.strip().isprintable() and label.strip() and cluster:
                    labels[f"unit {int(cluster[1])}"] = label.strip()
    return labels
