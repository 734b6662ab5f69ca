"""Recordings to NIX files, through Neo."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.spike_times import spike_times_in_bins
from spikeloop.models.recordings.timed_spikes import spikes_by_unit
from spikeloop.models.whole_file import whole_file

__all__ = ["CONDITIONS", "COUNTS", "FLUORESCENCE", "OWN", "TRIALS", "write"]

CONDITIONS, COUNTS, FLUORESCENCE = "conditions", "counts", "fluorescence"  # names of signals
TRIALS = "trials"  # name of the epoch
OWN = "spikeloop"  # annotation with what Neo has no place for
ON_AN_EDGE = 1e-4  # of a bin, less than from an edge to the first of 255 spikes
BETWEEN_TRIALS_S = 1.0  # where it is not known when they were, or where they overlap


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a NIX file: a train for each unit, an epoch of the trials, conditions as a signal.

    All is in one segment, as nixio takes tens of milliseconds for each train. The file is made in memory and written
    at once, as HDF5 ends the process where the disk is full.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    import h5py
    import neo.io

    from spikeloop.exporters.formats.neo.files import calm

    with whole_file(path) as whole:
        with calm(), _in_memory():
            writer: Any = neo.io.NixIO(str(path.with_name(f".{path.stem}.memory.nix")), mode="ow")
            try:
                writer.write_block(_block(recording))
                file: Any = writer.nix_file._h5file.id
                h5py.h5f.flush(file)
                content = file.get_file_image()
            finally:
                writer.close()
        whole.write(content)


@contextmanager
def _in_memory() -> Iterator[None]:
    """Let nixio make files in memory, which its own functions don't offer."""
    import h5py
    import nixio.file

    library: Any = nixio.file
    before = library.make_fapl

    def in_memory() -> Any:
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fapl_core(block_size=2**20, backing_store=False)
        return access

    library.make_fapl = in_memory
    try:
        yield
    finally:
        library.make_fapl = before


def _block(recording: Recording) -> Any:
    import neo
    import quantities as pq

    lengths, size = recording.bins_of_repeats, recording.bin_size_s
    own: dict[str, Any] = {
        "bin_size_s": float(size),
        "signal": recording.signal,
        "origin": recording.origin,
        "name": recording.name,
        "unit_names": recording.unit_names,
        "bins": lengths.tolist(),
        "starts_s": recording.starts_s,
        "history": recording.history,
        "channels": [asdict(channel) for channel in recording.channels],
        "provenance": None if recording.provenance is None else asdict(recording.provenance),
    }
    segment = neo.Segment(name=recording.name, index=0)
    begins = _begins_s(recording)
    own["own_times"] = recording.spike_times is not None and begins.tolist() == list(recording.starts_s or ())
    block = neo.Block(name=recording.name, **{OWN: json.dumps(own)})
    if recording.signal == "spikes":
        _add_trains(segment, recording, begins, own["own_times"])
    else:
        segment.irregularlysampledsignals.append(_signal(recording.counts, recording, begins, FLUORESCENCE))
    if recording.channels:
        signal = _signal(recording.conditions, recording, begins, CONDITIONS)
        signal.array_annotate(channel_names=np.array([channel.name for channel in recording.channels]))
        segment.irregularlysampledsignals.append(signal)
    labels = np.array([f"trial {number}" for number in range(recording.repeats)])
    epoch = neo.Epoch(begins * pq.s, durations=lengths * size * pq.s, labels=labels, name=TRIALS)
    segment.epochs.append(epoch)
    block.segments.append(segment)
    return block


def _add_trains(segment: Any, recording: Recording, begins: Floats, own_times: bool) -> None:
    """Add a train for each unit; beside the spikes' own times the counts, as an edge of a bin may round either way."""
    import neo
    import quantities as pq

    size, lengths = recording.bin_size_s, recording.bins_of_repeats.tolist()
    first, last = begins[0], begins[-1] + lengths[-1] * size
    if own_times and recording.spike_times is not None:
        trains = spikes_by_unit(recording.spike_times, recording.units)
        first = min(first, recording.spike_times.times_s.min(initial=first))
        last = max(last, recording.spike_times.times_s.max(initial=last))
        segment.irregularlysampledsignals.append(_signal(recording.counts, recording, begins, COUNTS))
    else:
        trials = zip(begins, recording.counts, lengths, strict=True)
        parts = [[begin + part for part in spike_times_in_bins(counts[:n], size)] for begin, counts, n in trials]
        trains = [np.clip(np.concatenate(train), first, last) for train in zip(*parts, strict=True)]
    for name, times in zip(recording.unit_names, trains, strict=True):
        train = neo.SpikeTrain(times * pq.s, t_start=first * pq.s, t_stop=last * pq.s, name=name)
        segment.spiketrains.append(train)


def _begins_s(recording: Recording) -> Floats:
    """Return where each trial begins in the file: when it was, where trials follow each other, else one by one."""
    durations = recording.bins_of_repeats * recording.bin_size_s
    if recording.starts_s is not None:
        begins = np.array(recording.starts_s)
        apart = (begins[1:] >= (begins + durations)[:-1] - ON_AN_EDGE * recording.bin_size_s).all()
        if apart and np.spacing(np.abs(begins).max()) < ON_AN_EDGE * recording.bin_size_s:
            return begins
    return np.concatenate([[0.0], np.cumsum(durations + BETWEEN_TRIALS_S)[:-1]])


def _signal(values: NDArray[Any], recording: Recording, begins: Floats, name: str) -> Any:
    """Return one sample for each bin, at its beginning."""
    import neo
    import quantities as pq

    lengths = recording.bins_of_repeats.tolist()
    at = [begin + np.arange(bins) * recording.bin_size_s for begin, bins in zip(begins, lengths, strict=True)]
    rows = np.concatenate([trial[:bins] for trial, bins in zip(values, lengths, strict=True)])
    return neo.IrregularlySampledSignal(np.concatenate(at) * pq.s, rows, units="dimensionless", name=name)
