"""What the pictures of a report have in common: colours, scatters, curves, and SVG."""

import io
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import FailureError

__all__ = ["COLOURS", "MODEL", "REAL", "Axes", "as_svg", "entries", "lines", "literal", "new_figure", "scatter"]

REAL, MODEL = "#222222", "#0b6e99"
COLOURS = {"at the floor": "#1a7f37", "near": "#6b8e23", "off": "#b07d00", "far off": "#b3261e"}  # of verdicts
SCATTERED = 5000  # points of a scatter at most

Axes = Any


def new_figure(width: float, height: float) -> Any:
    """A figure of so many inches.

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
    """A figure as it stands in a page."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", dpi=110, metadata={"Date": None})
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def entries(name: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a scatter shows of a statistic: of covariance each pair once, and no more points than it can show."""
    found = value[np.triu_indices(len(value), 1)] if name == "covariance" else value.ravel()
    return found[:: max(1, len(found) // SCATTERED)]


def scatter(axis: Axes, name: str, real: NDArray[np.float64], model: NDArray[np.float64]) -> None:
    """Entries of a statistic, the model's by the recording's."""
    axis.scatter(real, model, s=4, alpha=0.5, color=MODEL, linewidths=0, rasterized=True)
    if len(real):
        ends = [min(real.min(), model.min()), max(real.max(), model.max())]
        axis.plot(ends, ends, color=REAL, linewidth=0.8)
    axis.set(title=name, xlabel="held-out data", ylabel="model")


def lines(
    axis: Axes,
    name: str,
    label: str,
    places: NDArray[Any] | None,
    real: dict[str, NDArray[np.float64]],
    model: dict[str, NDArray[np.float64]],
    log: bool = False,
) -> None:
    """A statistic that is a curve, of recording and model; by its index where no places are given."""
    for value, colour, who in ((real[name], REAL, "held-out data"), (model[name], MODEL, "model")):
        shown = np.where(value > 0, value, np.nan) if log else value
        axis.plot(
            np.arange(len(value)) if places is None else places, shown, ".-", color=colour, label=who, linewidth=1
        )
    if log:
        axis.set_yscale("log")
    axis.set(title=name, xlabel=label)
    axis.legend(frameon=False, fontsize=8)


def literal(name: str) -> str:
    """A name as Matplotlib shows it, without mathematics."""
    return name.replace("$", r"\$")
