"""The kinds of plots that pages are made of: dots beside a diagonal, curves, bars, rasters and maps."""

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.pages.drawing import FAINT, MODEL, REAL, Axes, literal
from spikeloop.models.arrays import Floats
from spikeloop.models.measures.distances import pairs

__all__ = [
    "bars",
    "curve",
    "dots",
    "entries",
    "heat",
    "log_axis",
    "name_rows",
    "raster",
    "say",
    "scatter",
    "sequential",
    "thinned",
]

SCATTERED = 1500  # dots of a scatter at most
SPIKE_COLOURS = {REAL: "#71808c", MODEL: "#1f8fd0"}  # of pictures, which are the same in light and dark
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = 3  # powers of ten up to which a number is written out
FAINTEST = 0.35  # opacity of a single spike, where the darkest bins hold many


def entries(name: str, value: Floats) -> Floats:
    """Select the points of a scatter plot of a statistic: of covariance each pair once."""
    return pairs(value) if name == "covariance" else value.ravel()


def thinned(points: int) -> str:
    """Say how many of so many points a scatter plot shows; empty where it shows all."""
    shown = len(range(0, points, _step(points)))
    return f"{shown:,} of {points:,}, evenly chosen." if shown < points else ""


def scatter(
    axis: Axes, real: Floats, model: Floats, names: tuple[str, str], unit: str = "", size: float = 2.6
) -> None:  # fmt: skip
    """Plot one value against another, as dots, with the line on which both are equal; at most some thousand dots.

    Parameters
    ----------
    real, model : arrays of shape (points,)
        To the right, and upwards.
    names : pair of str
        What they are of.
    unit : str
        Of both; small numbers are shown in thousandths of it, or millionths.
    size : float, pixels
    """
    power = _power_of(np.concatenate([real, model]))
    real, model = (values[:: _step(len(values))] / 10.0**power for values in (real, model))
    unit = " ".join(filter(None, (f"10{str(power).translate(SUPERSCRIPTS)}" if power else "", unit)))
    dots(axis, real, model, MODEL, size, alpha=0.55)
    both = np.concatenate([real, model])
    both = both[np.isfinite(both)]
    if len(both):
        ends = float(both.min()), float(both.max())
        room = 0.04 * (ends[1] - ends[0]) or 1.0
        axis.plot(ends, ends, color=FAINT, linewidth=0.9, zorder=1)
        axis.set(xlim=(ends[0] - room, ends[1] + room), ylim=(ends[0] - room, ends[1] + room))
    xlabel, ylabel = (f"{name} ({unit})" if unit else name for name in names)
    axis.set(xlabel=xlabel, ylabel=ylabel)


def dots(axis: Axes, x: ArrayLike, y: ArrayLike, colour: str, size: float, alpha: float = 1.0) -> None:
    """Plot dots as one path of points, which is a tenth of the text that as many markers are."""
    x, y = (np.asarray(values, float) for values in (x, y))
    gap = np.full(len(x), np.nan)
    path = (np.stack([values, values, gap], axis=1).ravel() for values in (x, y))
    axis.plot(*path, color=colour, linewidth=size, alpha=alpha, solid_capstyle="round", zorder=2)


def curve(axis: Axes, places: ArrayLike, values: Floats, colour: str, log: bool = False, dotted: bool = True) -> None:
    """Plot a curve; on a logarithmic axis entries of 0 are left out."""
    shown = np.where(values > 0, values, np.nan) if log else values
    axis.plot(places, shown, ".-" if dotted else "-", color=colour, linewidth=1.3, markersize=4)


def log_axis(axis: Any, low: float, high: float) -> None:
    """Make an axis logarithmic, with ticks at few and plain numbers.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
    low, high : float > 0
        The range of what is shown.
    """
    ticker: Any = import_module("matplotlib.ticker")
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    decades = math.log10(high / low) if 0 < low < high else 1.0
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if decades < 1.5 else (1.0,), numticks=6))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_locator(ticker.NullLocator())


def bars(
    axis: Axes, names: Sequence[str], values: Floats, colours: str | Sequence[str], spread: Floats | None = None
) -> None:
    """Plot bars beside their names, the first on top; with intervals where there are some.

    Parameters
    ----------
    spread : array of shape (2, bars), default None
        Lengths of the intervals below and above the values.
    """
    rows = np.arange(len(values))
    axis.barh(rows, np.nan_to_num(values), 0.62, color=colours)
    if spread is not None:
        axis.errorbar(values, rows, xerr=np.nan_to_num(spread), fmt="none", ecolor=REAL, elinewidth=1)
    name_rows(axis, names)


def name_rows(axis: Axes, names: Sequence[str], most: int = 22) -> None:
    """Name the rows of a picture, from top to bottom."""
    shown = [name if len(name) <= most else f"{name[: most - 1]}…" for name in names]
    axis.set_yticks(range(len(shown)), [literal(name) for name in shown])
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)


def raster(axis: Axes, counts: NDArray[Any], bin_size_s: float, colour: str, most: float, from_s: float = 0.0) -> None:
    """Plot counts of shape (bins, units) as a raster, a row a unit, darker where a bin holds more.

    Parameters
    ----------
    most : float > 0
        Spikes in a bin that are as dark as can be.
    from_s : float, s, default 0
        When the first bin begins.
    """
    bins, units = counts.shape
    extent = (from_s, from_s + bins * bin_size_s, units - 0.5, -0.5)
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent}
    axis.imshow(counts.T, cmap=_clear_to(SPIKE_COLOURS[colour]), vmin=0, vmax=most, **look)
    axis.grid(visible=False)


def heat(
    axis: Axes, values: Floats, extent: tuple[float, float, float, float], label: str, limits: tuple[float, float],
    diverging: bool = False,
) -> None:  # fmt: skip
    """Plot a map of shape (rows, columns) with its scale of colours; what is NaN stays empty.

    Parameters
    ----------
    label : str
        What the colours stand for, with its unit.
    limits : pair of floats
        Values at the ends of the scale.
    diverging : bool
        Whether the middle of the scale is nothing, and both ends are much.
    """
    cmap = _two_sided() if diverging else sequential()
    look: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest", "extent": extent, "cmap": cmap}
    drawn = axis.imshow(values, vmin=limits[0], vmax=limits[1], **look)
    axis.grid(visible=False)
    bar = axis.figure.colorbar(drawn, ax=axis, fraction=0.05, pad=0.03, label=label)
    bar.outline.set_visible(False)
    bar.locator = import_module("matplotlib.ticker").MaxNLocator(4)
    bar.update_ticks()


def say(axis: Axes, text: str) -> None:
    """Say in an empty picture why it is empty."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=FAINT)


def _step(points: int) -> int:
    return max(1, -(-points // SCATTERED))


def _power_of(values: Floats) -> int:
    """The power of ten, 0, -3, -6, ..., in which the largest of some values is a number of one to three digits."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return min(0, 3 * math.floor(math.log10(largest) / 3 + 1e-9)) if 0 < largest < 0.1 else 0


def _power(value: float) -> str:
    """Such as 0.02, 500 and 2·10⁻⁵."""
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    if abs(exponent) < PLAIN:
        return f"{value:g}"
    times = "" if round(value / 10**exponent) == 1 else f"{value / 10**exponent:.0f}·"
    return f"{times}10{str(exponent).translate(SUPERSCRIPTS)}"


def _clear_to(colour: str) -> Any:
    """A scale of nothing, then from faint to full in a colour."""
    colors: Any = import_module("matplotlib.colors")
    steps = ((*colors.to_rgb(colour), opacity) for opacity in (0.0, FAINTEST, 1.0))
    return colors.LinearSegmentedColormap.from_list("ink", list(zip((0.0, 0.004, 1.0), steps, strict=True)))


def sequential() -> Any:
    """The scale of colours from little to much, without the ends that one of light and dark would swallow."""
    matplotlib: Any = import_module("matplotlib")
    colors: Any = import_module("matplotlib.colors")
    return colors.ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.2, 0.93, 256)))


def _two_sided() -> Any:
    """From orange through nothing to blue, which differ for every eye."""
    colors: Any = import_module("matplotlib.colors")
    below, above = ((*colors.to_rgb(colour), 1.0) for colour in ("#d55e00", "#0072b2"))
    return colors.LinearSegmentedColormap.from_list("two", [below, (*below[:3], 0.0), (*above[:3], 0.0), above])
