"""`spikeloop importance`: which spikes of a recording matter to a bundle's critic."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.importance_figures import PICTURES, draw_importance
from spikeloop.exporters.whole_file import whole_file
from spikeloop.models.conditional_evaluation import split_as_trained
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.importance import (
    MOST_ARRANGEMENTS,
    SHUFFLES,
    SPAN_BINS,
    exact_importance,
    gradient_importance,
    shuffle_importance,
)
from spikeloop.models.measures.importance_summary import (
    Agreement,
    ImportanceSummary,
    agreement,
    importance_sums,
    summarise_importance,
)
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.files import read_arrays
from spikeloop.models.recordings.recording import (
    Recording,
    require_binary,
    require_spikes,
    with_conditions,
    without_conditions,
)
from spikeloop.models.recordings.windows import cut_windows
from spikeloop.streamer.commands.importance_findings import findings_as_json, print_findings
from spikeloop.streamer.commands.options import check_seed, require_packages
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.critic import Critic
from spikeloop.streamer.session import Device

__all__ = ["importance"]

Method = Literal["exact", "shuffle", "gradient"]

AT_ONCE = {"exact": 1, "shuffle": 1, "gradient": 16}  # windows, after which the progress is told
COMPARED_WINDOWS = 50  # whose gradient maps are compared with exact ones
SAME_BIN = 1e-6  # relative difference of bin sizes that are the same


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
    bin_size_ms: float | None = None,
    repeat_bins: int | None = None,
    json: bool = False,
) -> int:
    """Map which spikes matter to a bundle's critic.

    The spikes of one unit are shuffled within 8 bins; the importance of a spike is the mean absolute change of
    the critic's score over the shuffles that hold it (Molano-Mazon et al. 2018). The file holds `maps`, float32, and
    `windows`, uint8, both (windows, bins, units), with `unit_names`, `bin_size_s`, `method`, `bundle` and its `sha256`.

    Parameters
    ----------
    bundle
        a bundle with a critic: a shipped one's name (see `spikeloop models`), or the path of a folder or .zip
    data
        spikes: a recording's name or file, as in `evaluate`, or a .npz that `generate` wrote; cut into windows as long
        as the critic's
    out
        the file, ending in .npz
    method
        exact: the mean over all arrangements; shuffle: over a few random ones, as published; gradient: exact, were the
        effects of single spikes to add up, which is much faster and told with its correlation to exact
    windows
        at most so many, evenly spread; by default all
    seed
        of what is drawn at random: shuffles, and arrangements where there are too many
    shuffles
        of the method shuffle, of each unit in each span
    most_arrangements
        of the method exact, of a unit's counts in 8 bins; 0 and 1 have at most 70
    plot
        a picture to write, ending in .html, .svg or .png
    device
        where the critic runs
    bin_size_ms
        of a file that doesn't state it
    repeat_bins
        cut a continuous recording into repeats of so many bins
    json
        print one JSON document
    """
    _check_options(out, plot, windows, shuffles, most_arrangements)
    check_seed(seed)
    loaded = read_bundle(bundle)
    card = loaded.card
    subject = _subject(data, card, bin_size_ms / 1000 if bin_size_ms is not None else None, repeat_bins, windows)
    critic = Critic(loaded, device)
    if critic.notice:
        Console(stderr=True).print(critic.notice)
    options = {"shuffles": shuffles} if method == "shuffle" else {"most_arrangements": most_arrangements}
    with whole_file(out) as file:
        found = _map(subject, critic, method, seed, {} if method == "gradient" else options)
        _write_maps(file, found, subject, card, method, loaded.sha256)
    if plot is not None:
        title = f"{card.name}: importance in {subject.name}, {method}"
        drawn = draw_importance(
            plot.suffix, title, subject.windows, found.maps, found.summary, card.unit_names, card.bin_size_s
        )
        with whole_file(plot) as file:
            file.write(drawn)
    document = {
        "file": str(out),
        "plot": plot and str(plot),
        "bundle": card.name,
        "sha256": loaded.sha256,
        "data": subject.name,
        "method": method,
        "seed": seed,
        "provider": critic.provider,
        "shape": found.maps.shape,
        "maps_a_second": found.maps_a_second,
        "capped_spans": found.capped,
        "rank_correlation": found.agreement and found.agreement.rank_correlation,
        "correlation": found.agreement and found.agreement.correlation,
        "compared_spikes": found.agreement and found.agreement.spikes,
    } | findings_as_json(found.summary, card)
    if json:
        print_json(document)
    else:
        print_findings(document)
    return 0


def _check_options(out: Path, plot: Path | None, windows: int | None, shuffles: int, most_arrangements: int) -> None:
    """Before the work, not after it."""
    if out.suffix != ".npz":
        raise BadInputError(f"--out: expected a file ending in .npz, found {out}")
    if plot is not None and plot.suffix not in PICTURES:
        raise BadInputError(f"--plot: expected a file ending in {', '.join(PICTURES)}, found {plot}")
    for name, number in (("windows", windows), ("shuffles", shuffles), ("most-arrangements", most_arrangements)):
        if number is not None and number < 1:
            raise BadInputError(f"--{name}: expected 1 or more, found {number}")
    if plot is not None:
        require_packages("matplotlib", extra="evaluate", what="the picture")


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is mapped: windows, (windows, bins, units), and what drove them, (windows, bins, channels)."""

    name: str
    windows: NDArray[np.uint8]
    conditions: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class _Found:
    """Maps, (windows, bins, units), and what they say; `capped` is of exact ones, `agreement` of gradient ones."""

    maps: NDArray[np.float32]
    summary: ImportanceSummary
    maps_a_second: float
    capped: int | None
    agreement: Agreement | None


def _subject(name: str, card: Card, bin_size_s: float | None, repeat_bins: int | None, windows: int | None) -> _Subject:
    if card.signal != "spikes" or card.window_bins < SPAN_BINS:
        raise BadInputError(
            f"{card.name} gives {card.signal} in windows of {card.window_bins} bins; expected spikes, and windows"
            f" of at least {SPAN_BINS} bins, within which they are shuffled"
        )
    recording = _driven(find_recording(name, bin_size_s, repeat_bins), name, card)
    cut = cut_windows(recording, card.window_bins)
    per_repeat = recording.bins // card.window_bins * card.window_bins
    driven_by = recording.conditions[:, :per_repeat].reshape(*cut.shape[:2], len(recording.channels))
    chosen = np.arange(len(cut))
    if windows is not None and windows < len(cut):
        chosen = np.linspace(0, len(cut) - 1, windows).astype(int)
    return _Subject(recording.name, cut[chosen], driven_by[chosen] if card.channels else None)


def _driven(recording: Recording, name: str, card: Card) -> Recording:
    """The recording as the critic takes it: with what drove it, where that matters to the critic."""
    require_spikes(recording, "importance")
    if recording.units != len(card.unit_names) or abs(recording.bin_size_s / card.bin_size_s - 1) > SAME_BIN:
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
    expected = (recording.repeats * recording.bins, len(card.channels))
    if generated.shape != expected:
        raise BadInputError(
            f"{name}: expected condition of shape {expected}, as `generate` writes it for {card.name}, found"
            f" {generated.shape}"
        )
    driven_by = generated.reshape(recording.repeats, recording.bins, len(card.channels))
    return with_conditions(recording, driven_by, [channel.name for channel in card.channels])


def _map(subject: _Subject, critic: Critic, method: Method, seed: int, options: dict[str, Any]) -> _Found:
    windows = subject.windows
    random = np.random.Generator(np.random.Philox(seed))
    maps = np.empty(windows.shape, np.float32)
    capped, sums = 0, importance_sums(maps[:0], windows[:0])
    begin_s = time.perf_counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("mapping", total=len(windows))
        for first in range(0, len(windows), AT_ONCE[method]):
            piece = slice(first, first + AT_ONCE[method])
            given: dict[str, Any] = {"conditions": None if subject.conditions is None else subject.conditions[piece]}
            if method == "exact":
                found = exact_importance(windows[piece], critic, random, **options, **given)
                maps[piece], capped = found.maps, capped + found.capped
            else:
                of_method = gradient_importance if method == "gradient" else shuffle_importance
                maps[piece] = of_method(windows[piece], critic, random, **options, **given)
            sums += importance_sums(maps[piece], windows[piece])
            progress.advance(task, len(windows[piece]))
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
