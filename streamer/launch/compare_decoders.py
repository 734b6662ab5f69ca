"""`spikeloop.compare_decoders`: decoders compared offline, on a recording and on a bundle's answers to its movement."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.documents import json_values
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.decoders.cross_validation import CrossValidation
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import Decoders, decoder_specs
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.decoder_ranking import (
    LEAST_RANKED,
    OfflineComparison,
    OfflineScore,
    OfflineTask,
    Split,
    answered,
    as_recorded,
    compare_offline,
    largest_difference,
    rank_correlation,
)
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.html import ShownAsTable, Table
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.measures.falcon_scores import session_scores
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.requirements import require_spikes
from spikeloop.models.scalars import checked_finite, checked_whole, same_bin_size
from spikeloop.models.whole_file import file_path, whole_file
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.launch.checks import check_seed, open_bundle, whole_bins
from spikeloop.streamer.launch.suitability import check_alike, held_out_of, held_out_part, target_columns
from spikeloop.streamer.stream.source import open_source

__all__ = ["DECODERS", "RANKED", "DecoderRanking", "compare_decoders"]

DECODERS = ("kalman", "ridge", "wiener", "population_vector", "chance")
RANKED = (
    "ridge:1", "ridge:3", "ridge:10", "ridge:20", "wiener:1", "wiener:10", "kalman", "population_vector:3",
    "population_vector:10", "chance",
)  # fmt: skip
HOLD_OUT = 5  # every how many repeats one is held out, where the bundle's training doesn't say


@dataclass(frozen=True, eq=False, repr=False)
class DecoderRanking(ShownAsTable):
    """How well decoders decode a recording, as `compare_decoders` returns it.

    Attributes
    ----------
    comparison : OfflineComparison
        The scores of every decoder, fold by fold.
    """

    comparison: OfflineComparison

    def to_dict(self) -> dict[str, Any]:
        """Convert to the document that `spikeloop decode --json` prints, all of what JSON holds."""
        return json_values(_document(self.comparison))

    def write_report(self, path: str | Path, origin: Origin | None = None) -> None:
        """Write table and pictures as one HTML page.

        Parameters
        ----------
        path : str or Path, ending in .html
        origin : Origin, default None
            What made it, which the page says at its end.

        Raises
        ------
        BadInputError
            If it ends in anything else.
        FailureError
            If Matplotlib is not installed, or the disk refuses.
        """
        from spikeloop.exporters.pages.decoders import decoding_page

        report = file_path("--report", path, ".html")
        page = decoding_page(self.comparison, origin)
        with whole_file(report) as file:
            file.write(page)

    def _table(self) -> Table:
        """The mean R2 of every decoder."""
        rows = [
            (score.decoder, f"{score.bin_size_s * 1000:g}", f"{score.recorded.r_squared.mean():.3f}")
            for score in self.comparison.scores
        ]
        return f"Decoders of {self.comparison.recording.name}", ("decoder", "bin (ms)", "R2"), rows


def compare_decoders(
    recording: str | Path | Recording,
    decoders: Decoders = (),
    *,
    target: Sequence[str] = ("velocity",),
    folds: int = 5,
    lag_s: float = 0.0,
    decoder_bins_s: Iterable[float] = (),
    bundle: str | Path | Bundle | None = None,
    held_out: Sequence[str | Path | Recording] = (),
    seed: int = 0,
    bin_size_s: float | None = None,
    repeat_bins: int | None = None,
    on_progress: Callable[[str, float], None] = lambda doing, share: None,
) -> DecoderRanking:
    """Compare decoders offline: cross-validated R2 and correlation, each with a 95 % interval over folds.

    With a bundle, also whether decoders rank on its counts as on recorded ones. It answers to the recording's own
    movement; decoders are fitted on its answers to the part that it was trained on, and judged on those to the part
    that it was not. Recorded counts are split alike, so nothing is cross-validated then.

    Parameters
    ----------
    recording : str, Path or Recording
        With kinematics: a name, a path or a recording.
    decoders : dict by name, sequence, or str, default ()
        As of `closed_loop`. By default five, with a bundle ten of several histories.
    target : sequence of str, default ("velocity",)
        What is decoded: "velocity", "position", or names of conditions.
    folds : int >= 2, default 5
        Contiguous segments, each decoded by what was fitted on the others.
    lag_s : float >= 0, s, default 0
        By which the kinematics are later than the counts; whole bins.
    decoder_bins_s : iterable of float > 0, s, default ()
        Widths of the decoders' bins, each a multiple of the recording's; by default the recording's.
    bundle : str, Path or Bundle, default None
        Answers to the recording's kinematics.
    held_out : sequence of str, Path or Recording, default ()
        Further sessions of the same units, such as later days, which decoders that were fitted on the recording decode.
    seed : int >= 0, default 0
        Of all random choices.
    bin_size_s : float > 0, s, default None
        Of a file that does not state it.
    repeat_bins : int >= 1, default None
        Cuts a continuous recording into repeats of so many bins; only for files.
    on_progress : callable, default none
        Called now and then with what is being done, and the share of it that is done, 0 to 1.

    Returns
    -------
    DecoderRanking

    Raises
    ------
    BadInputError
        If recording, bundle, decoders and target don't go together, or an argument is out of range.
    FailureError
        If a decoder fails, or a package that one needs is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> ranking = spikeloop.compare_decoders("m1-sim:60", ["kalman", "chance"])  # doctest: +SKIP
    >>> ranking.to_dict()["decoders"][0]["recorded"]["r_squared"]["value"]  # doctest: +SKIP
    0.55
    """
    check_seed(seed)
    seed = operator.index(seed)
    folds = checked_whole("--folds", folds, 2)
    bin_size_s = None if bin_size_s is None else checked_finite("--bin-size-ms", bin_size_s)
    repeat_bins = None if repeat_bins is None else checked_whole("--repeat-bins", repeat_bins, 1)
    widths_s, target = _several("--bin-ms", decoder_bins_s, "widths"), _several("--target", target, "names")
    if not callable(on_progress):
        raise BadInputError(f"on_progress: expected a function, found {on_progress!r:.80}")
    by_default = isinstance(decoders, Mapping | list | tuple) and not decoders
    specs = decoder_specs((DECODERS if bundle is None else RANKED) if by_default else decoders)
    if bundle is not None and len(specs) < LEAST_RANKED:
        raise BadInputError(f"--decoder: expected {LEAST_RANKED} or more to rank with --bundle, found {len(specs)}")
    data = _read(recording, bin_size_s, repeat_bins)
    lag_bins = whole_bins("--lag-ms", lag_s, data.bin_size_s, least=0)
    widths = [whole_bins("--bin-ms", width_s, data.bin_size_s, least=1) for width_s in widths_s] or [1]
    widths = tuple(dict.fromkeys(widths))
    task = OfflineTask(target_columns(data, target), lag_bins, widths, folds)

    def make(name: str, bin_size_s: float) -> Decoder:
        return open_decoder(specs[name], units=data.units, bin_size_s=bin_size_s, seed=seed)

    require_spikes(data, "decoding")
    for name in specs:
        make(name, data.bin_size_s)  # before the work, not after it
    recorded, generated = data, None
    judged_on = f"{folds} contiguous folds in turn, decoded by what was fitted on the others"
    if bundle is not None:
        on_progress("generating", 0.0)
        recorded, generated, judged_on = _with_answers(data, bundle, seed)
    later = [_alike(session, data, target) for session in _several("--held-out", held_out, "recordings")]
    done, total = 0, len(specs) * len(widths)

    def advance() -> None:
        nonlocal done
        done += 1
        on_progress("decoding", done / total)

    scores = compare_offline(make, tuple(specs), task, recorded, generated, advance, later)
    return DecoderRanking(OfflineComparison(data, task, judged_on, scores, None if bundle is None else _name(bundle)))


def _several(option: str, given: Any, what: str) -> tuple[Any, ...]:
    """Return what an iterable gives; BadInputError for a text, a mapping, and what is no iterable."""
    try:
        if not isinstance(given, str | Mapping):
            return tuple(given)
    except TypeError:
        pass
    raise BadInputError(f"{option}: expected an iterable of {what}, found {given!r:.80}")


def _read(recording: str | Path | Recording, bin_size_s: float | None, repeat_bins: int | None) -> Recording:
    if not isinstance(recording, str | Path | Recording):
        raise BadInputError(f"expected a recording, its name or its path, found {recording!r:.80}")
    if not isinstance(recording, Recording):
        return read_recording(recording, bin_size_s, repeat_bins)
    for option, value in {"--bin-size-ms": bin_size_s, "--repeat-bins": repeat_bins}.items():
        if value is not None:
            raise BadInputError(f"{option}: expected none with a recording that was read already, found {value}")
    return recording


def _alike(given: str | Path | Recording, recording: Recording, target: Sequence[str]) -> Recording:
    """A further session, of the units, bins and conditions of a recording."""
    session = _read(given, None, None)
    same = session.units == recording.units and same_bin_size(session.bin_size_s, recording.bin_size_s)
    if not same or target_columns(session, target) != target_columns(recording, target):
        raise BadInputError(
            f"--held-out: expected {recording.units} units, bins of {1000 * recording.bin_size_s:g} ms and the"
            f" conditions of {recording.name}; {session.name} has {session.units} and {1000 * session.bin_size_s:g} ms"
        )
    return session


def _name(bundle: str | Path | Bundle) -> str:
    return bundle.card.name if isinstance(bundle, Bundle) else str(bundle)


def _with_answers(recording: Recording, given: str | Path | Bundle, seed: int) -> tuple[Split, Split, str]:
    """The recording's two parts, the same with a bundle's answers, and what is judged on, in words."""
    bundle = open_bundle(given)
    card, name = bundle.card, _name(given)
    check_alike(name, len(card.unit_names), card.bin_size_s, card.signal, recording)
    if not card.channels or card.channels[0].cyclic:
        raise BadInputError(
            f"--bundle: expected one that answers to kinematics, such as m1-sim, found {card.name}, which answers to"
            f" {'a phase' if card.channels else 'nothing'}"
        )
    split = partial(split_as_trained, recording, name, card.channels, card.latency_bins)
    left_out = held_out_of(card, split(HOLD_OUT).whole)
    parts = split(left_out or HOLD_OUT)
    generated = answered(open_source(bundle, seed).next, parts)
    return as_recorded(parts), generated, _judged_on(parts.whole, left_out, name)


def _judged_on(recording: Recording, left_out: int | None, bundle: str) -> str:
    what = held_out_part(recording, left_out or HOLD_OUT)
    if left_out:
        return f"{what}, held out from the training of {bundle}; decoders were fitted on the rest"
    seen = "which may be in the training of" if left_out is None else "which was in the training of"
    return f"{what}, {seen} {bundle}; decoders were fitted on the rest"


def _document(comparison: OfflineComparison) -> dict[str, Any]:
    """Means with intervals by decoder and bin width; and where there is a bundle, how alike the ranks are."""
    rankings = [
        {"bin_ms": size_s * 1000, "rank_correlation": rank_correlation(scores), "decoders": len(scores),
         "largest_difference": largest_difference(scores)}
        for size_s, scores in comparison.by_width().items()
        if comparison.bundle is not None
    ]  # fmt: skip
    return {
        "recording": comparison.recording.name,
        "target": comparison.columns,
        "units": comparison.recording.units,
        "lag_ms": comparison.lag_s * 1000,
        "folds": comparison.task.folds,
        "judged_on": comparison.judged_on,
        "bundle": comparison.bundle,
        "decoders": [
            {"decoder": score.decoder, "bin_ms": score.bin_size_s * 1000}
            | {
                kind: found and _figures(found, comparison.columns)
                for kind, found in (("recorded", score.recorded), ("generated", score.generated))
            }
            | {"falcon": _falcon(score)}
            for score in comparison.scores
        ],
        "rankings": rankings,
    }


def _falcon(score: OfflineScore) -> dict[str, Any]:
    """Scores as the FALCON challenge has them, the folds its held-in sessions; the latency is of no seed."""
    return {
        "held_in": asdict(session_scores(score.recorded.variance_weighted)),
        "held_out": asdict(session_scores(score.held_out)),
    }


def _figures(found: CrossValidation, columns: Sequence[str]) -> dict[str, Any]:
    """Means over columns, and of each column."""
    return {
        measure: asdict(fold_mean(values.mean(axis=1)))
        | {"folds": values.mean(axis=1).tolist()}
        | {"columns": {name: asdict(fold_mean(scores)) for name, scores in zip(columns, values.T, strict=True)}}
        for measure, values in (("r_squared", found.r_squared), ("correlation", found.correlation))
    }
