"""`spikeloop.compare_decoders`: decoders compared offline, on a recording and on a bundle's answers to its movement."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.history import HISTORY_S, checked_history_s, with_history
from spikeloop.models.decoders.spec import Decoders, DecoderSpec, decoder_specs
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.evaluation.decoder_ranking import (
    OfflineComparison,
    OfflineTask,
    Split,
    answered,
    as_recorded,
    compare_offline,
)
from spikeloop.models.evaluation.rank_agreement import LEAST_RANKED
from spikeloop.models.evaluation.responses import split_as_trained
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.requirements import require_spikes
from spikeloop.models.recordings.session_time import SESSION_TIME
from spikeloop.models.scalars import checked_callable, checked_finite, checked_flag, checked_whole
from spikeloop.streamer.inference.isolation.isolated_decoder import DecoderHost
from spikeloop.streamer.inference.isolation.limits import DecoderLimits, checked_limits
from spikeloop.streamer.launch.checks import check_seed, open_bundle, whole_bins
from spikeloop.streamer.launch.decoder_ranking import DecoderRanking, whole_ranking
from spikeloop.streamer.launch.suitability import (
    check_alike,
    check_further,
    held_out_of,
    held_out_part,
    stretches_of,
    target_columns,
)
from spikeloop.streamer.stream.source import open_source

__all__ = ["DECODERS", "RANKED", "check_specs", "compare_decoders", "compare_specs"]

DECODERS = ("kalman", "ridge", "wiener", "population_vector", "chance")
RANKED = (
    "ridge:1", "ridge:3", "ridge:10", "ridge:20", "wiener:1", "wiener:10", "kalman", "population_vector:3",
    "population_vector:10", "chance",
)  # fmt: skip
HOLD_OUT = 5  # every how many repeats one is held out, where the bundle's training doesn't say


def compare_decoders(
    recording: str | Path | Recording,
    decoders: Decoders = (),
    *,
    target: Sequence[str] = ("velocity",),
    folds: int = 5,
    lag_s: float = 0.0,
    decoder_bins_s: Iterable[float] = (),
    history_s: float = HISTORY_S,
    bundle: str | Path | Bundle | None = None,
    held_out: Sequence[str | Path | Recording] = (),
    seed: int = 0,
    bin_size_s: float | None = None,
    repeat_bins: int | None = None,
    in_process: bool = False,
    limits: DecoderLimits | None = None,
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
    history_s : float > 0, s, default 0.2
        How far back decoders look that look back, in whole bins of any width: the nearest number, one at least. One
        with its own number of bins, as "ridge:3", keeps it.
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
    in_process : bool, default False
        Whether decoders of your own run in this process; see `closed_loop`.
    limits : DecoderLimits, optional
        Of those that don't.
    on_progress : callable, default none
        Called now and then with what is being done, and the share of it that is done, 0 to 1.

    Returns
    -------
    DecoderRanking

    Raises
    ------
    BadInputError
        If recording, bundle, decoders and target don't go together, or an argument is out of range.
    IncompleteRankingError
        If a decoder failed; its `ranking` holds the others.
    FailureError
        If no decoder is left, or too few to rank; or if one can't be made, or a package that it needs is not installed.

    Examples
    --------
    >>> import spikeloop
    >>> ranking = spikeloop.compare_decoders("m1-sim:60", ["kalman", "chance"])  # doctest: +SKIP
    >>> ranking.to_dict()["decoders"][0]["recorded"]["r_squared"]["value"]  # doctest: +SKIP
    0.55
    """
    by_default = isinstance(decoders, Mapping | list | tuple) and not decoders
    specs = decoder_specs((DECODERS if bundle is None else RANKED) if by_default else decoders)
    if bundle is not None and len(specs) < LEAST_RANKED:
        raise BadInputError(f"--decoder: expected {LEAST_RANKED} or more to rank with --bundle, found {len(specs)}")
    comparison = compare_specs(
        recording, specs, target=target, folds=folds, lag_s=lag_s, decoder_bins_s=decoder_bins_s, history_s=history_s,
        bundle=bundle, held_out=held_out, seed=seed, bin_size_s=bin_size_s, repeat_bins=repeat_bins,
        in_process=in_process, limits=limits, on_progress=on_progress,
    )  # fmt: skip
    return whole_ranking(DecoderRanking(comparison))


def compare_specs(
    recording: str | Path | Recording,
    specs: Mapping[str, DecoderSpec],
    *,
    target: Sequence[str] = ("velocity",),
    folds: int = 5,
    lag_s: float = 0.0,
    decoder_bins_s: Iterable[float] = (),
    history_s: float = HISTORY_S,
    bundle: str | Path | Bundle | None = None,
    held_out: Sequence[str | Path | Recording] = (),
    seed: int = 0,
    bin_size_s: float | None = None,
    repeat_bins: int | None = None,
    in_process: bool = False,
    limits: DecoderLimits | None = None,
    on_progress: Callable[[str, float], None] = lambda doing, share: None,
) -> OfflineComparison:
    """Compare decoders as `compare_decoders` does, however few; of one that fails the comparison has the reason."""
    check_seed(seed)
    seed = operator.index(seed)
    folds = checked_whole("--folds", folds, 2)
    bin_size_s = None if bin_size_s is None else checked_finite("--bin-size-ms", bin_size_s)
    repeat_bins = None if repeat_bins is None else checked_whole("--repeat-bins", repeat_bins, 1)
    history_s, in_process = checked_history_s(history_s), checked_flag("in_process", in_process)
    widths_s, target = _several("--bin-ms", decoder_bins_s, "widths"), _several("--target", target, "names")
    checked_callable("on_progress", on_progress)
    data = _read(recording, bin_size_s, repeat_bins)
    lag_bins = whole_bins("--lag-ms", lag_s, data.bin_size_s, least=0)
    widths = [whole_bins("--bin-ms", width_s, data.bin_size_s, least=1) for width_s in widths_s] or [1]
    widths = tuple(dict.fromkeys(widths))
    task = OfflineTask(target_columns(data, target), lag_bins, widths, folds)

    require_spikes(data, "decoding")
    later = [_further(session, data, target) for session in _several("--held-out", held_out, "recordings")]
    with ExitStack() as opened:
        limits = checked_limits(limits)
        hosts = {
            name: opened.enter_context(DecoderHost(spec, limits, in_process, history_s)) for name, spec in specs.items()
        }

        def make(name: str, bin_size_s: float) -> Decoder:
            return hosts[name].open(units=data.units, bin_size_s=bin_size_s, seed=seed)

        for name in specs:
            make(name, data.bin_size_s)  # before the work, not after it
        found = _compared(make, tuple(specs), task, data, bundle, later, seed, on_progress)
    scores = tuple(
        replace(score, history_bins=with_history(specs[score.decoder], history_s, score.bin_size_s).history_bins)
        for score in found.scores
    )
    return replace(found, scores=scores)


def check_specs(
    recording: Recording,
    specs: Mapping[str, DecoderSpec],
    *,
    target: Sequence[str] = ("velocity",),
    folds: int = 5,
    lag_s: float = 0.0,
    history_s: float = HISTORY_S,
    in_process: bool = False,
) -> None:
    """Check, before any work, what `compare_specs` would refuse: the recording, its target, and each decoder.

    Raises
    ------
    BadInputError, FailureError
        As of `compare_decoders`.
    """
    checked_whole("--folds", folds, 2)
    whole_bins("--lag-ms", lag_s, recording.bin_size_s, least=0)
    target_columns(recording, _several("--target", target, "names"))
    require_spikes(recording, "decoding")
    history_s, in_process = checked_history_s(history_s), checked_flag("in_process", in_process)
    for spec in specs.values():
        with DecoderHost(spec, None, in_process, history_s) as host:
            host.open(units=recording.units, bin_size_s=recording.bin_size_s, seed=0)


def _compared(
    make: Callable[[str, float], Decoder],
    decoders: Sequence[str],
    task: OfflineTask,
    recording: Recording,
    bundle: str | Path | Bundle | None,
    held_out: Sequence[Recording],
    seed: int,
    on_progress: Callable[[str, float], None],
) -> OfflineComparison:
    """Judge every decoder; one that fails doesn't end the others."""
    recorded, generated = recording, None
    judged_on = f"{task.folds} contiguous folds in turn, decoded by what was fitted on the others"
    if bundle is not None:
        on_progress("generating", 0.0)
        recorded, generated, judged_on = _with_answers(recording, bundle, seed)
    done, total, failures = 0, len(decoders) * len(task.widths), {}

    def advance() -> None:
        nonlocal done
        done += 1
        on_progress("decoding", done / total)

    def failed(name: str, error: FailureError) -> None:
        failures[name] = str(error)

    scores = compare_offline(make, decoders, task, recorded, generated, advance, held_out, failed)
    name = None if bundle is None else _name(bundle)
    return OfflineComparison(recording, task, judged_on, scores, name, failures)


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


def _further(given: str | Path | Recording, recording: Recording, target: Sequence[str]) -> Recording:
    session = _read(given, None, None)
    check_further(f"--held-out {session.name}", session, recording, target)
    return session


def _name(bundle: str | Path | Bundle) -> str:
    return bundle.card.name if isinstance(bundle, Bundle) else str(bundle)


def _with_answers(recording: Recording, given: str | Path | Bundle, seed: int) -> tuple[Split, Split, str]:
    """The recording's two parts, the same with a bundle's answers, and what is judged on, in words."""
    bundle = open_bundle(given)
    card, name = bundle.card, _name(given)
    check_alike(name, len(card.unit_names), card.bin_size_s, card.signal, recording)
    if all(channel.cyclic or channel == SESSION_TIME for channel in card.channels):
        raise BadInputError(
            f"--bundle: expected one that answers to kinematics, such as m1-sim, found {card.name}, which answers to"
            f" {', '.join(channel.name for channel in card.channels) or 'nothing'}"
        )
    stretches = stretches_of(card)
    split = partial(split_as_trained, recording, name, card.channels, card.latency_bins, stretches=stretches)
    left_out = held_out_of(card, split(every=HOLD_OUT).whole)
    parts = split(every=left_out or HOLD_OUT)
    generated = answered(open_source(bundle, seed).next, parts)
    return as_recorded(parts), generated, _judged_on(parts.whole, left_out, stretches, name)


def _judged_on(recording: Recording, left_out: int | None, stretches: int, bundle: str) -> str:
    what = held_out_part(recording, left_out or HOLD_OUT, stretches)
    if left_out:
        return f"{what}, held out from the training of {bundle}; decoders were fitted on the rest"
    seen = "which may be in the training of" if left_out is None else "which was in the training of"
    return f"{what}, {seen} {bundle}; decoders were fitted on the rest"
