"""Checks of what callers ask for, each with the option's name in its message."""

import math
from pathlib import Path

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_path, is_number, is_whole, shown

__all__ = [
    "LONGEST_DURATION_S",
    "ROUNDING",
    "bins_of",
    "check_report",
    "check_seed",
    "open_bundle",
    "whole_bins",
]

LONGEST_DURATION_S = 10 * 365.25 * 86400
ROUNDING = 1e-6  # of a bin: 0.3 s of 0.1-s bins are three, though 0.3 / 0.1 < 3 in floats
LARGEST_SEED = 2**63 - 1  # the largest of torch, and of any reader of a stream's description


def check_seed(seed: int) -> int:
    """Return a seed; BadInputError where it is no whole number from 0 to 2**63 - 1."""
    if not (is_whole(seed) and 0 <= int(seed) <= LARGEST_SEED):
        raise BadInputError(f"--seed: expected a whole number from 0 to 2**63 - 1, found {shown(seed)}")
    return int(seed)


def bins_of(duration_s: float, bin_size_s: float) -> int:
    """Return the number of whole bins of a duration; BadInputError where there is none, or no end."""
    if not (is_number(duration_s) and bin_size_s <= duration_s <= LONGEST_DURATION_S):
        found = f"{duration_s:g} s" if is_number(duration_s) else shown(duration_s)
        raise BadInputError(
            f"--duration: expected at least one bin ({bin_size_s:g} s) and at most ten years, found {found}"
        )
    return int(float(duration_s) / bin_size_s + ROUNDING)


def whole_bins(option: str, duration_s: float, bin_size_s: float, least: int) -> int:
    """Return the number of bins of a duration; BadInputError where it is not `least` or more whole bins."""
    duration_ms, bin_ms = 1000 * (float(duration_s) if is_number(duration_s) else math.nan), 1000 * bin_size_s
    bins = round(duration_ms / bin_ms) if math.isfinite(duration_ms) else -1
    if bins < least or abs(duration_ms - bins * bin_ms) > ROUNDING * bin_ms:
        found = f"{duration_ms:g} ms" if is_number(duration_s) else shown(duration_s)
        raise BadInputError(
            f"{option}: expected {least or 'zero'} or more whole bins of {bin_ms:g} ms each, found {found}"
        )
    return bins


def check_report(path: str | Path) -> Path:
    """Return a report's path; BadInputError where it does not end in .html."""
    if (path := checked_path("--report", path)).suffix != ".html":
        raise BadInputError(f"--report: expected a file ending in .html, found {path}")
    return path


def open_bundle(bundle: str | Path | Bundle) -> Bundle:
    """Return a bundle by its name or path, or one that is loaded already.

    Raises
    ------
    BadInputError
        If it is none of these, there is no such bundle, or it can't be used.
    """
    if not isinstance(bundle, str | Path | Bundle):
        raise BadInputError(f"expected a bundle, or its name or path, found {shown(bundle)}")
    return bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
