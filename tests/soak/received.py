"""What each life of each consumer received of each run of a stream: read from logs and recordings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.xdf.blocks import blocks
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.models.errors import BadInputError
from tests.soak.bin_log import Run, bin_numbers, checksum, read_log, rows_of
from tests.soak.lab import Lab
from tests.soak.program import Life
from tests.soak.roster import INLETS

__all__ = ["Received", "received"]


@dataclass(frozen=True, eq=False)
class Received:
    """The bins of a run at a consumer.

    Attributes
    ----------
    consumer : str
        Name of the program.
    life : Life
        Of the program.
    run : Run
    rows : array of `bin_log.ROW`
        In the order of arrival.
    counted_lost : int or None
        What the consumer itself counts as lost; None where it does not count, or could not report.
    """

    consumer: str
    life: Life
    run: Run
    rows: NDArray
    counted_lost: int | None = None


def received(lab: Lab) -> Iterator[Received]:
    """Read all that was received; BadInputError where a recording can't be read."""
    for kind in lab.names:
        for consumer in (INLETS[kind], f"subscriber-{kind}"):
            life = lab.programs[consumer].life
            for run, rows in read_log(lab.folder / consumer):
                yield Received(consumer, life, run, rows)
    for kind, place in (("steady", lab.folder), ("mortal", lab.disk.folder)):
        recorder = f"recorder-{kind}"
        for life in lab.programs[recorder].lives:
            yield from _recorded(lab, recorder, life, place / f"{recorder}.{life.number}.xdf")


def _recorded(lab: Lab, recorder: str, life: Life, file: Path) -> Iterator[Received]:
    if not file.exists() or not file.stat().st_size:
        return
    lost = {stream["number"]: stream["lost"] for stream in life.report.get("streams", ())}
    with open_streams(file) as streams:
        if streams.damaged and life.end == "asked":
            raise BadInputError(f"{file}: {streams.damaged} chunks are damaged")
        for stream in streams.streams:
            if stream.name not in lab.names.values():
                continue
            run = Run(stream.name, float(stream.fact("start_s") or "nan"), 1 / stream.rate_hz)
            parts = [
                rows_of(0, bin_numbers(run, stamps_s), map(checksum, values))
                for values, stamps_s in blocks(streams, stream)
            ]
            if parts:
                yield Received(recorder, life, run, np.concatenate(parts), lost.get(stream.number))
