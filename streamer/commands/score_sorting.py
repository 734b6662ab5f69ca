"""`spikeloop score-sorting`: a sorter's spikes judged by the true ones."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.models.sorting.score import SortingScore
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.launch.score_sorting import score_sorting as score

__all__ = ["score_sorting"]

PICTURES = (".html", ".svg", ".png")


def score_sorting(
    truth: Positional[str],
    found: Positional[str],
    *,
    truth_key: str | None = None,
    found_key: str | None = None,
    found_units: str | None = None,
    tolerance_ms: float = 0.4,
    offset: str = "0",
    start: float | None = None,
    stop: float | None = None,
    plot: Path | None = None,
    json: bool = False,
) -> int:
    """Judge the spikes of a spike sorter by the true ones.

    Each true unit is matched with at most one found unit, as SpikeInterface compares sorters with ground truth. What
    counts is the stretch in which both have spikes. Latency is the median time by which found spikes come after true
    ones, and jitter its spread, so that online sorters can be judged, too.

    Parameters
    ----------
    truth : str
        the true spikes: FILE.raw of `spikeloop generate --broadband`, beside which they are; or a file of any format
        with times of spikes, such as a recording of NAME-Events by `spikeloop record`
    found : str
        spikes of the sorter: its folder, or any file with times of spikes, such as a recording of what an online
        sorter sent over LSL
    truth_key : str, optional
        array or stream of TRUTH that holds the spikes, if it has several
    found_key : str, optional
        array or stream of FOUND that holds the spikes, if it has several; TRUTH and FOUND may be one file
    found_units : str, optional
        units of FOUND: a label (good, mua), names, or numbers such as 0-31,40
    tolerance_ms : float from 0 to 100, ms
        time within which a true and a found spike are a pair
    offset : str
        what to add to found times, in seconds, if they are of another clock or late; auto finds what makes most
        coincide
    start : float, s, optional
        time at which to begin, by the clock of TRUTH
    stop : float, s, optional
        time at which to end, by the clock of TRUTH
    plot : path, optional
        picture to write, .html, .svg or .png
    json : bool
        print the scores as one JSON document
    """
    command = as_typed(score_sorting, locals())
    if plot is not None:  # before the work, not after it
        if plot.suffix not in PICTURES:
            raise BadInputError(f"--plot: expected a file ending in {', '.join(PICTURES)}, found {plot}")
        require_packages("matplotlib", extra="evaluate", what="--plot")
        check_writable(plot)
    scored = score(
        truth, found, truth_key=truth_key, found_key=found_key, found_units=found_units, tolerance_ms=tolerance_ms,
        offset_s=_seconds(offset), start_s=start, stop_s=stop,
    )  # fmt: skip
    if plot is not None:
        _draw(plot, scored, Origin(command, "", datetime.now()))
    if json:
        print_json(scored.to_dict() | {"plot": plot and str(plot)})
    else:
        print(scored)
        if plot is not None:
            print(f"plot: {plot}")
    return 0


def _seconds(offset: str) -> float | Literal["auto"]:
    if offset == "auto":
        return offset
    try:
        return float(offset)
    except ValueError:
        raise BadInputError(f"--offset: expected seconds or auto, found {offset!r:.80}") from None


def _draw(plot: Path, scored: SortingScore, origin: Origin) -> None:
    from spikeloop.exporters.pages.sorting import sorting_page, sorting_picture

    drawn = sorting_page(scored, origin) if plot.suffix == ".html" else sorting_picture(scored, plot.suffix)
    with whole_file(plot) as file:
        file.write(drawn)
