"""How far back decoders look: a time, in whole bins of the decoder, so that bins of any width are compared alike."""

import math
from collections.abc import Mapping
from dataclasses import replace

from spikeloop.models.decoders.spec import KINDS, LONGEST_HISTORY, DecoderSpec
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_finite

__all__ = ["HISTORY_S", "checked_history_s", "describe_histories", "with_history"]

HISTORY_S = 0.2  # by default


def checked_history_s(history_s: float) -> float:
    """Return a history, s; BadInputError where it is no finite number above 0."""
    if not checked_finite("--history-ms", history_s) > 0:
        raise BadInputError(f"--history-ms: expected more than 0 ms, found {1000 * float(history_s):g} ms")
    return float(history_s)


def with_history(spec: DecoderSpec, history_s: float, bin_size_s: float) -> DecoderSpec:
    """Give a decoder that looks back the bins of a history, the nearest whole number and one at least.

    One that has its own number of bins, as `ridge:3`, keeps it; and so does one that looks at no fixed history.

    Parameters
    ----------
    spec : DecoderSpec
    history_s : float > 0, s
    bin_size_s : float > 0, s
        Of the decoder's bins, which may be wider than the stream's.

    Returns
    -------
    DecoderSpec

    Raises
    ------
    BadInputError
        If the history has too many bins.
    """
    kind = KINDS.get(spec.kind)
    if kind is None or not kind.has_history or spec.history_bins is not None:
        return spec
    bins = max(1, math.floor(history_s / bin_size_s + 0.5))
    if bins > LONGEST_HISTORY:
        raise BadInputError(
            f"--history-ms: expected at most {LONGEST_HISTORY} bins of the decoder, which are"
            f" {LONGEST_HISTORY * bin_size_s * 1000:g} ms, found {history_s * 1000:g} ms"
        )
    return replace(spec, history_bins=bins)


def describe_histories(histories: Mapping[str, int | None], bin_size_s: float) -> str:
    """Say how far back decoders look, such as "ridge, wiener 200 ms (10 bins)"; "" where none has a fixed history.

    Parameters
    ----------
    histories : dict by decoder's name
        Bins; None of a decoder that looks at no fixed history.
    bin_size_s : float > 0, s
        Of the decoders' bins.
    """
    by_bins: dict[int, list[str]] = {}
    for name, bins in histories.items():
        if bins is not None:
            by_bins.setdefault(bins, []).append(name)
    return "; ".join(
        f"{', '.join(names)} {bins * bin_size_s * 1000:g} ms ({bins} bin{'' if bins == 1 else 's'})"
        for bins, names in by_bins.items()
    )
