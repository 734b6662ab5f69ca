"""What a sweep leaves: the columns of its table, and means over seeds as a page."""

from collections.abc import Iterator, Sequence

from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import Markup, figures, fill, item_list, page, section, table
from spikeloop.streamer.batch.cells import Columns, Row, mean_in_words

__all__ = ["COLUMNS", "SHOWN", "means_of", "sweep_page"]

SHOWN = {
    "success_rate": "success (%)",
    "time_to_target_s": "time to target (s)",
    "fitts_bits_per_s": "Fitts (bit/s)",
    "r_squared": "R² offline",
}
COLUMNS = Columns(
    texts=("bundle", "bundle_sha256", "perturbations", "decoder", "failure"),
    wholes=("seed", "trials", "successes"),
    numbers=tuple(SHOWN),
    lists_of_texts=("outcomes",),
    lists_of_numbers=("times_s",),
)
EXPLAINED = Markup("""<p>Means over sessions, one a seed, with Student's t interval at 95 % where there are several; a
session without the figure, as the time to target of one without success, is not in it. Decoders had the same targets in
the same order. Trials that a decoder never began because it failed count as failures.</p>""")


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
    share = name == "success_rate"
    return mean_in_words(values, 0 if share else 2, share)


def _named(row: Row) -> str:
    return f"{row['bundle']}, {row['perturbations']}, {row['decoder']}, seed {row['seed']}"
