"""What the plots of all pages share: colours, scatter plots, curves, and SVG."""

import io
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import FailureError
from spikeloop.models.measures.distances import pairs
from spikeloop.models.measures.table import title_of

__all__ = ["COLOURS", "MODEL", "REAL", "Axes", "as_svg", "entries", "lines", "literal", "new_figure", "scatter"]

REAL, MODEL = "#222222", "#0b6e99"
COLOURS = {"at the floor": "#1a7f37", "near": "#6b8e23", "off": "#b07d00", "far off": "#b3261e"}  # of verdicts
SCATTERED = 5000  # points of a scatter at most

Axes = Any


def new_figure(width: float, height: float) -> Any:
    """Make a figure.

    Parameters
    ----------
    width, height : float, inches

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FailureError
        If Matplotlib is not installed.
    """
    try:
        figures: Any = import_module("matplotlib.figure")
    except ImportError as error:
        raise FailureError(
            "matplotlib is not installed, which the report needs; pip install 'spikeloop[evaluate]'"
        ) from error
    return figures.Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: Any) -> str:
    """Draw a figure as the SVG element of a page."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", dpi=110, metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def entries(name: str, value: Floats) -> Floats:
    """Select the points of a scatter plot of a statistic: of covariance each pair once, and at most some thousands."""
    found = pairs(value) if name == "covariance" else value.ravel()
    return found[:: max(1, len(found) // SCATTERED)]


def scatter(axis: Axes, title: str, real: Floats, model: Floats) -> None:
    """Plot the entries of a statistic, the model's against the recording's."""
    axis.scatter(real, model, s=4, alpha=0.5, color=MODEL, linewidths=0, rasterized=True)
    if len(real):
        ends = [min(real.min(), model.min()), max(real.max(), model.max())]
        axis.plot(ends, ends, color=REAL, linewidth=0.8)
    axis.set(title=title, xlabel="held-out data", ylabel="model")


def lines(
    axis: Axes,
    name: str,
    label: str,
    places: NDArray[Any] | None,
    real: dict[str, Floats],
    model: dict[str, Floats],
    log: bool = False,
) -> None:
    """Plot a statistic that is a curve, of recording and model.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    name : str, key of the statistic
    label : str, of the x axis
    places : array of shape (values,), or None for 0, 1, ...
    real, model : dict of str to array, values of statistics by key
    log : bool
        Whether the y axis is logarithmic; entries of 0 are then left out.
    """
    for value, colour, who in ((real[name], REAL, "held-out data"), (model[name], MODEL, "model")):
        shown = np.where(value > 0, value, np.nan) if log else value
        axis.plot(
            np.arange(len(value)) if places is None else places, shown, ".-", color=colour, label=who, linewidth=1
        )
    if log:
        axis.set_yscale("log")
    axis.set(title=title_of(name), xlabel=label)
    axis.legend(frameon=False, fontsize=8)


def literal(name: str) -> str:
    """Escape a name so that Matplotlib shows it as it is, not as mathematics."""
    return name.replace("$", r"\$")
