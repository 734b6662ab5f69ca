"""What a closed loop returns to its caller in Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from spikeloop.exporters.documents import json_values
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.whole_file import file_path
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.results.difference import MEASURES, DecoderDifference, Measure
from spikeloop.streamer.closedloop.results.pairs import compared, every_pair
from spikeloop.streamer.closedloop.results.report import ClosedLoopReport, DecoderReport, as_document
from spikeloop.streamer.closedloop.results.saved import check_one_session, saved_path, write_npz
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["ClosedLoopResult", "IncompleteError"]


@dataclass(frozen=True, eq=False, repr=False)
class ClosedLoopResult(ShownAsTable):
    """What decoders came to in a closed loop.

    Attributes
    ----------
    report : ClosedLoopReport
        All figures with their intervals.
    setup : Setup
        What was asked for.
    runs : tuple of Run
        Every session's trials and events; of the first seed, or of all with `keep_bins`, every bin too.
    """

    report: ClosedLoopReport
    setup: Setup
    runs: tuple[Run, ...]

    @cached_property
    def decoders(self) -> Mapping[str, DecoderReport]:
        """Each decoder's figures, by its name."""
        return {decoder.decoder: decoder for decoder in self.report.decoders}

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C, or `stop`, ended it; then the figures are of what was done until then."""
        return self.report.interrupted

    def compare(self, decoder: str, baseline: str, measure: Measure = "time") -> DecoderDifference:
        """Compare two decoders, over the same targets of the same seeds; all pairs together decide the verdict.

        Parameters
        ----------
        decoder, baseline : str
            Names of two of `decoders`.
        measure : {"time", "success", "bits"}, default "time"
            See `DecoderDifference`.

        Returns
        -------
        DecoderDifference

        Raises
        ------
        BadInputError
            If there is no such decoder or measure.
        """
        for name in (decoder, baseline):
            if not isinstance(name, str) or name not in self.decoders:
                raise BadInputError(f"expected a decoder of {', '.join(self.decoders)}; found {name!r:.80}")
        if not isinstance(measure, str) or measure not in MEASURES:
            raise BadInputError(f"expected measure {', '.join(map(repr, MEASURES))}; found {measure!r:.80}")
        others = [pair for pair in every_pair(list(self.decoders)) if set(pair) != {decoder, baseline}]
        (found, *_) = compared(self.setup, [(decoder, baseline), *others], self.runs)
        return found.verdicts[measure]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as `spikeloop closedloop --json` prints it, with None for NaN."""
        return json_values(as_document(self.report))

    def write_report(self, path: str | Path, written: datetime | None = None) -> None:
        """Write the report as an HTML page with plots, a replay of trials, and tables.

        Parameters
        ----------
        path : str or Path, ending in .html
        written : datetime, default None
            Local time, which the page says; without it, the same comparison on a simulated clock gives the same page.

        Raises
        ------
        BadInputError
            If the path doesn't end in .html.
        FailureError
            If Matplotlib is not installed, or the disk refuses.
        """
        from spikeloop.streamer.closedloop.results.page import write_page

        write_page(file_path("--report", path, ".html"), self.report, self.setup, self.runs, written=written)

    def save(self, path: str | Path) -> None:
        """Write what happened in every bin that was kept, as .npz; or one session, of one decoder, as .nwb.

        The arrays of an .npz are those of `Block`, named PLACE-SEED/BLOCK/ARRAY by the decoder's place, with what each
        trial came to as `outcome`; PLACE-SEED/trials/COLUMN, the trials as intervals; PLACE-SEED/population/ARRAY, the
        population's own spikes with what drove them and what made them, as `write_recording` writes a recording; and
        `decoders`, `seeds` and `bin_size_s`. An NWB file holds the same in the standard's places. `verify` proves both.

        Raises
        ------
        BadInputError
            If the path ends in neither, or an NWB file is to hold several sessions.
        FailureError
            If the disk refuses, or PyNWB is needed and not installed.
        """
        file = saved_path(path)
        if file.suffix == ".npz":
            write_npz(file, self.setup, self.runs)
            return
        from spikeloop.streamer.closedloop.results.saved_nwb import write_session

        check_one_session(len(self.setup.decoders), len(self.setup.seeds))
        write_session(file, self.runs[0])

    def _table(self) -> Table:
        return self.report.table()


class IncompleteError(FailureError):
    """Sessions of a closed loop ended before their end.

    Attributes
    ----------
    result : ClosedLoopResult
        Of what was done until then.
    """

    def __init__(self, message: str, result: ClosedLoopResult, exit_code: int = FailureError.exit_code) -> None:
        super().__init__(message)
        self.result, self.exit_code = result, exit_code
