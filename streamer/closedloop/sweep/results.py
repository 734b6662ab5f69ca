"""What a sweep leaves: its cells as one Parquet table, and their means over seeds as a page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import Markup, figures, fill, item_list, page, section, table
from spikeloop.models.measures.decoding_scores import fold_mean
from spikeloop.models.whole_file import whole_file

__all__ = ["LISTS", "SHOWN", "TEXTS", "WHOLE", "Row", "means_of", "sweep_page", "write_table"]

Row = Mapping[str, Any]  # a cell's document

SHOWN = {
    "success_rate": "success (%)",
    "time_to_target_s": "time to target (s)",
    "fitts_bits_per_s": "Fitts (bit/s)",
    "r_squared": "R² offline",
}
LISTS = ("outcomes", "times_s")
TEXTS = ("bundle", "bundle_sha256", "perturbations", "decoder", "failure")
WHOLE = ("seed", "trials", "successes")
EXPLAINED = Markup("""<p>Means over sessions, one a seed, with Student's t interval at 95 % where there are several; a
session without the figure, as the time to target of one without success, is not in it. Decoders had the same targets in
the same order. Trials that a decoder never began because it failed count as failures.</p>""")


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write a Parquet table with a row for each cell.

    Parameters
    ----------
    rows : sequence of Row
    path : Path
        Whole or not at all.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    import pyarrow
    import pyarrow.parquet

    def kind(name: str) -> Any:
        if name in LISTS:
            return pyarrow.list_(pyarrow.string() if name == "outcomes" else pyarrow.float64())
        return pyarrow.string() if name in TEXTS else pyarrow.int64() if name in WHOLE else pyarrow.float64()

    columns = {name: pyarrow.array([row[name] for row in rows], kind(name)) for name in rows[0]}
    with whole_file(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def means_of(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str, str], dict[str, str]]]:
    """Yield, for each bundle, perturbations and decoder, the shown figures in words, means over seeds."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["bundle"], row["perturbations"], row["decoder"]), []).append(row)
    for group, members in groups.items():
        yield group, {name: _mean(name, [row[name] for row in members]) for name in SHOWN}


def sweep_page(rows: Sequence[Row], origin: Origin | None = None) -> bytes:
    """Make the page of a sweep: a table for each bundle and perturbation.

    Parameters
    ----------
    rows : sequence of Row
    origin : Origin, optional
        What made it.

    Returns
    -------
    bytes
        The file's content.
    """
    tables: dict[tuple[str, str], list[list[str]]] = {}
    for (bundle, perturbations, decoder), means in means_of(rows):
        tables.setdefault((bundle, perturbations), []).append([decoder, *means.values()])
    axes = {name: len({row[name] for row in rows}) for name in ("bundle", "perturbations", "decoder", "seed")}
    failed = [f"{_named(row)}: {row['failure']}" for row in rows if row["failure"]]
    return page(
        "Sweep of closed loops",
        figures((str(number), name) for name, number in axes.items()),
        section("Figures", *(_table(*place, lines) for place, lines in tables.items())),
        section("Sessions that ended before their end", item_list(failed)),
        section("What the figures are", EXPLAINED),
        made_by(origin),
        kind="sweep",
        lead=f"{len(rows)} sessions, {len(failed)} of which ended before their end.",
    )


def _table(bundle: str, perturbations: str, lines: Sequence[Sequence[str]]) -> Markup:
    return fill("<h3>{}, perturbations: {}</h3>{}", bundle, perturbations, table(["decoder", *SHOWN.values()], lines))


def _mean(name: str, values: Sequence[float | None]) -> str:
    scale, digits = (100, 0) if name == "success_rate" else (1, 2)
    known = scale * np.array([value for value in values if value is not None and math.isfinite(value)], np.float64)
    if not len(known):
        return "-"
    if len(known) == 1:
        return f"{known[0]:.{digits}f}"
    mean = fold_mean(known)
    low, high = (mean.low, mean.high) if name != "success_rate" else (max(mean.low, 0.0), min(mean.high, 100.0))
    return f"{mean.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _named(row: Row) -> str:
    return f"{row['bundle']}, {row['perturbations']}, {row['decoder']}, seed {row['seed']}"
