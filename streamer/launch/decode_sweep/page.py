"""The page of a sweep of `decode`: means over seeds, a table for each recording and bundle."""

from collections.abc import Iterator, Sequence

from spikeloop.exporters.pages.origin import Origin, made_by
from spikeloop.exporters.pages.shell import Markup, figures, fill, item_list, page, section, table
from spikeloop.streamer.batch.cells import Row, mean_in_words

__all__ = ["HEADINGS", "decode_sweep_page", "means_of"]

SHOWN = {
    "r_squared": "R²",
    "correlation": "r",
    "falcon_r_squared": "R², FALCON",
    "generated_r_squared": "R² on the bundle",
    "generated_correlation": "r on the bundle",
}
HEADINGS = ("decoder", "bin (ms)", *SHOWN.values())
EXPLAINED = Markup("""<p>R² and the correlation r are means over folds and columns; FALCON's R² has columns weighted by
their variance. Means over seeds, with Student's t interval at 95 % where there are several; what doesn't depend on a
seed is the same for each. On the bundle: of decoders that were fitted and tested on its answers to the recording's
movement, where one was given.</p>""")


def means_of(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Yield, of each recording and bundle, the cells of each decoder and width, in words, means over seeds."""
    groups: dict[tuple[str, str, str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["recording"], row["bundle"], row["decoder"], row["bin_ms"]), []).append(row)
    for (recording, bundle, decoder, bin_ms), members in groups.items():
        means = (mean_in_words([row[name] for row in members], 3) for name in SHOWN)
        yield (recording, bundle), (decoder, f"{bin_ms:g}", *means)


def decode_sweep_page(rows: Sequence[Row], origin: Origin | None = None) -> bytes:
    """Make the page.

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
    tables: dict[tuple[str, str], list[Sequence[str]]] = {}
    for place, cells in means_of(rows):
        tables.setdefault(place, []).append(cells)
    axes = {name: len({row[name] for row in rows}) for name in ("recording", "bundle", "bin_ms", "decoder", "seed")}
    failed = [
        f"{row['recording']}, {row['decoder']}, bins of {row['bin_ms']:g} ms, seed {row['seed']}: {row['failure']}"
        for row in rows
        if row["failure"]
    ]
    return page(
        "Sweep of decoders offline",
        figures((str(number), name.replace("bin_ms", "width of bins")) for name, number in axes.items()),
        section("Figures", *(_table(*place, lines) for place, lines in tables.items())),
        section("Decoders that failed", item_list(failed)),
        section("What the figures are", EXPLAINED),
        made_by(origin),
        kind="sweep",
        lead=f"{len(rows)} cells, in {len(failed)} of which the decoder failed.",
    )


def _table(recording: str, bundle: str, lines: Sequence[Sequence[str]]) -> Markup:
    return fill("<h3>{}, bundle: {}</h3>{}", recording, bundle, table(HEADINGS, lines))
