"""`spikeloop importance`: which spikes of a recording matter to a bundle's critic."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.formats.read import read_arrays
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.pages.importance import PICTURES, ImportanceMaps, importance_page, importance_picture
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.importance.maps import (
    MOST_ARRANGEMENTS,
    SHUFFLES,
    SPAN_BINS,
    exact_importance,
    gradient_importance,
    shuffle_importance,
)
from spikeloop.models.importance.summary import (
    Agreement,
    ImportanceSummary,
    agreement,
    importance_sums,
    summarise_importance,
)
from spikeloop.models.packages import require_packages
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.conditioning import with_conditions, without_conditions
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import pad_repeats
from spikeloop.models.recordings.requirements import require_binary, require_spikes
from spikeloop.models.recordings.summary import RecordingSummary
from spikeloop.models.recordings.windows import cut_conditions, cut_windows
from spikeloop.models.scalars import same_bin_size
from spikeloop.models.whole_file import whole_file
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions, read_and_tell
from spikeloop.streamer.commands.results.importance import findings_as_json, print_findings
from spikeloop.streamer.inference.critic_engine import Critic
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import check_seed

__all__ = ["importance"]

Method = Literal["exact", "shuffle", "gradient"]

CHUNK_WINDOWS = {"exact": 1, "shuffle": 1, "gradient": 16}  # after which progress is reported
COMPARED_WINDOWS = 50  # whose gradient maps are compared with exact ones


def importance(
    bundle: Positional[str] = "retina",
    *,
    data: str,
    out: Path,
    method: Method = "exact",
    windows: int | None = None,
    seed: int = 0,
    shuffles: int = SHUFFLES,
    most_arrangements: int = MOST_ARRANGEMENTS,
    plot: Path | None = None,
    device: Device = "auto",
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    json: bool = False,
) -> int:
    """Map which spikes matter to a bundle's critic.

    The importance of a spike is the mean absolute change of the critic's score when the spikes of its unit are shuffled
    within 8 bins (Molano-Mazon et al. 2018). The file holds `maps`, float32, and `windows`, uint8, both of shape
    (windows, bins, units), with `unit_names`, `bin_size_s`, `method`, `bundle` and its `sha256`.

    Parameters
    ----------
    bundle : str
        bundle with a critic: name of a shipped one (see `spikeloop models`), or path of a folder or .zip
    data : str
        spikes to map: a recording's name or file, as in `evaluate`, or an .npz file of `generate`; they are cut into
        windows of the critic's length
    out : path
        .npz file to write
    method : str
        exact averages over all arrangements; shuffle averages over some random ones, as published; gradient
        approximates exact to first order, is much faster, and reports its rank correlation with exact
    windows : int >= 1, optional
        most windows to map, spread evenly; by default all
    seed : int >= 0
        seed of the shuffles, and of the arrangements if there are more than --most-arrangements
    shuffles : int >= 1
        with --method shuffle: shuffles of each unit in each 8 bins
    most_arrangements : int >= 1
        with --method exact: most arrangements of one unit's counts in 8 bins; counts of 0 and 1 have at most 70
    plot : path, optional
        picture to write, .html, .svg or .png
    device : str
        processor that runs the critic
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    json : bool
        print one JSON document
    """
    command = as_typed(importance, locals())
    _check_options(out, plot, windows, shuffles, most_arrangements)
    check_seed(seed)
    loaded = load_bundle(bundle)
    card = loaded.card
    subject = _subject(data, card, reading, windows)
    critic = Critic(loaded, device)
    if critic.notice:
        Console(stderr=True).print(critic.notice)
    options = {"shuffles": shuffles} if method == "shuffle" else {"most_arrangements": most_arrangements}
    with whole_file(out) as file:
        found = _map(subject, critic, method, seed, {} if method == "gradient" else options)
        _write_maps(file, found, subject, card, method, loaded.sha256)
    if plot is not None:
        shown = ImportanceMaps(
            f"{card.name}: importance in {subject.name}, {method}", subject.windows, found.maps, found.summary,
            card.unit_names, card.bin_size_s,
        )  # fmt: skip
        _draw(plot, shown, Origin(command, str(seed), datetime.now()))
    document = {"file": str(out), "plot": plot and str(plot), "bundle": card.name, "sha256": loaded.sha256}
    document |= {"data": subject.name, "method": method, "seed": seed, "provider": critic.provider}
    document |= {"recording_summary": subject.summary.to_dict()}
    document |= _findings(found) | findings_as_json(found.summary, card)
    if json:
        print_json(document)
    else:
        print_findings(document)
    return 0


def _draw(plot: Path, shown: ImportanceMaps, origin: Origin) -> None:
    drawn = importance_page(shown, origin) if plot.suffix == ".html" else importance_picture(shown, plot.suffix)
    with whole_file(plot) as file:
        file.write(drawn)


def _findings(found: "_Found") -> dict[str, Any]:
    agreed = found.agreement
    return {
        "shape": found.maps.shape,
        "maps_a_second": found.maps_a_second,
        "capped_spans": found.capped,
        "rank_correlation": agreed and agreed.rank_correlation,
        "correlation": agreed and agreed.correlation,
        "compared_spikes": agreed and agreed.spikes,
    }


def _check_options(out: Path, plot: Path | None, windows: int | None, shuffles: int, most_arrangements: int) -> None:
    """Check what can be checked before the work."""
    if out.suffix != ".npz":
        raise BadInputError(f"--out: expected a file ending in .npz, found {out}")
    if plot is not None and plot.suffix not in PICTURES:
        raise BadInputError(f"--plot: expected a file ending in {', '.join(PICTURES)}, found {plot}")
    for name, number in (("windows", windows), ("shuffles", shuffles), ("most-arrangements", most_arrangements)):
        if number is not None and number < 1:
            raise BadInputError(f"--{name}: expected 1 or more, found {number}")
    check_writable(out)
    if plot is not None:
        check_writable(plot)
        require_packages("matplotlib", extra="evaluate", what="the picture")


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is mapped: windows, (windows, bins, units), and what drove them, (windows, bins, channels)."""

    name: str
    windows: NDArray[np.uint8]
    conditions: NDArray[np.float32] | None
    summary: RecordingSummary


@dataclass(frozen=True, eq=False)
class _Found:
    """Maps, (windows, bins, units), and what they say; `capped` is of exact ones, `agreement` of gradient ones."""

    maps: NDArray[np.float32]
    summary: ImportanceSummary
    maps_a_second: float
    capped: int | None
    agreement: Agreement | None


def _subject(name: str, card: Card, reading: ReadingOptions, windows: int | None) -> _Subject:
    if card.signal != "spikes" or card.window_bins < SPAN_BINS:
        raise BadInputError(
            f"{card.name} gives {card.signal} in windows of {card.window_bins} bins; expected spikes, and windows"
            f" of at least {SPAN_BINS} bins, within which they are shuffled"
        )
    read, summary = read_and_tell(name, reading)
    recording = _driven(read, name, card)
    cut = cut_windows(recording, card.window_bins)
    driven_by = cut_conditions(recording, card.window_bins)
    chosen = np.arange(len(cut))
    if windows is not None and windows < len(cut):
        chosen = np.linspace(0, len(cut) - 1, windows).astype(int)
    return _Subject(recording.name, cut[chosen], driven_by[chosen] if card.channels else None, summary)


def _driven(recording: Recording, name: str, card: Card) -> Recording:
    """The recording as the critic takes it: with what drove it, where that matters to the critic."""
    require_spikes(recording, "importance")
    if recording.units != len(card.unit_names) or not same_bin_size(recording.bin_size_s, card.bin_size_s):
        raise BadInputError(
            f"{recording.name} has {recording.units} units in bins of {recording.bin_size_s * 1000:g} ms; expected"
            f" {len(card.unit_names)} in bins of {card.bin_size_s * 1000:g} ms, as {card.name} has them"
        )
    if card.count_distribution == "bernoulli":
        require_binary(recording, card.family)
    if not card.channels:
        return without_conditions(recording)
    generated = read_arrays(Path(name)).get("condition") if Path(name).suffix == ".npz" else None
    if generated is None:
        return split_as_trained(recording, card.name, card.channels, card.latency_bins, every=2).whole
    expected = (recording.recorded_bins, len(card.channels))
    if generated.shape != expected:
        raise BadInputError(
            f"{name}: expected condition of shape {expected}, as `generate` writes it for {card.name}, found"
            f" {generated.shape}"
        )
    driven_by = pad_repeats(np.split(generated, np.cumsum(recording.bins_of_repeats)[:-1]))
    return with_conditions(recording, driven_by, [channel.name for channel in card.channels])


def _map(subject: _Subject, critic: Critic, method: Method, seed: int, options: dict[str, Any]) -> _Found:
    windows = subject.windows
    random = random_stream(seed, Purpose.IMPORTANCE)
    maps = np.empty(windows.shape, np.float32)
    capped, sums = 0, importance_sums(maps[:0], windows[:0])
    begin_s = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("mapping", total=len(windows))
        for first in range(0, len(windows), CHUNK_WINDOWS[method]):
            segment = slice(first, first + CHUNK_WINDOWS[method])
            given: dict[str, Any] = {"conditions": None if subject.conditions is None else subject.conditions[segment]}
            if method == "exact":
                found = exact_importance(windows[segment], critic, random, **options, **given)
                maps[segment], capped = found.maps, capped + found.capped
            else:
                of_method = gradient_importance if method == "gradient" else shuffle_importance
                maps[segment] = of_method(windows[segment], critic, random, **options, **given)
            sums += importance_sums(maps[segment], windows[segment])
            progress.advance(task, len(windows[segment]))
        maps_a_second = len(windows) / (time.perf_counter() - begin_s)
        progress.update(task, description="comparing with exact", total=None)
        agreed = _agreement(subject, maps, critic, random) if method == "gradient" else None
    return _Found(maps, summarise_importance(sums), maps_a_second, capped if method == "exact" else None, agreed)


def _agreement(subject: _Subject, maps: NDArray[np.float32], critic: Critic, random: np.random.Generator) -> Agreement:
    """Of some of the maps, evenly spread, with exact ones."""
    some = np.unique(np.linspace(0, len(maps) - 1, COMPARED_WINDOWS).astype(int))
    conditions = None if subject.conditions is None else subject.conditions[some]
    exact = exact_importance(subject.windows[some], critic, random, conditions=conditions).maps
    return agreement(maps[some], exact, subject.windows[some])


def _write_maps(file: IO[bytes], found: _Found, subject: _Subject, card: Card, method: Method, sha256: str) -> None:
    np.savez_compressed(
        file,
        maps=found.maps,
        windows=subject.windows,
        unit_names=np.array(card.unit_names),
        bin_size_s=card.bin_size_s,
        method=method,
        bundle=card.name,
        sha256=sha256,
    )
