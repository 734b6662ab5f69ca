"""What the comparison of two decoders over the same trials comes to."""

from dataclasses import dataclass
from typing import Any, Literal

from spikeloop.exporters.documents import json_values
from spikeloop.streamer.closedloop.results.report import PairedReport

__all__ = ["DecoderDifference", "Measure", "difference_of"]

Measure = Literal["time", "success"]
Verdict = Literal["better", "worse", "no difference found"]


@dataclass(frozen=True)
class DecoderDifference:
    """One decoder minus another, over the trials that both had.

    Attributes
    ----------
    decoder, baseline : str
    measure : {"time", "success"}
        "time": of the mean time to the target, s, in which a failure counts as the timeout; below 0 is better.
        "success": of the shares of trials with success; above 0 is better.
    trials : int
        Of each decoder.
    difference : float
        NaN where there are no trials.
    interval : tuple of two floats
        Of 95 %; see `Paired`. NaN where there is one trial or none.
    verdict : {"better", "worse", "no difference found"}
        Of the decoder; the interval decides, and one that holds 0 finds no difference.
    """

    decoder: str
    baseline: str
    measure: Measure
    trials: int
    difference: float
    interval: tuple[float, float]
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Convert to what JSON holds, with None for NaN."""
        return json_values(self)

    def __str__(self) -> str:
        between = f"{self.decoder} against {self.baseline}"
        if not self.trials:
            return f"{between}: no trials that both had"
        change, (low, high) = self.difference, self.interval
        if self.measure == "time":
            found = f"time to target {abs(change):.2f} s {'longer' if change > 0 else 'shorter'}"
            interval = f"{low:+z.2f} to {high:+z.2f} s"
        else:
            found = f"success {abs(100 * change):.0f} percentage points {'higher' if change > 0 else 'lower'}"
            interval = f"{100 * low:+z.0f} to {100 * high:+z.0f}"
        return f"{between}: {found} (95 % interval {interval}), {self.verdict}"


def difference_of(paired: PairedReport, measure: Measure) -> DecoderDifference:
    """Judge a decoder by the interval of its difference from another.

    Parameters
    ----------
    paired : PairedReport
    measure : {"time", "success"}

    Returns
    -------
    DecoderDifference
    """
    figures = paired.figures
    found, sign = (figures.time_difference_s, -1) if measure == "time" else (figures.success_difference, 1)
    bounds = sorted((sign * found.low, sign * found.high))
    verdict = "better" if bounds[0] > 0 else "worse" if bounds[1] < 0 else "no difference found"
    return DecoderDifference(
        paired.decoder, paired.baseline, measure, figures.trials, found.value, (found.low, found.high), verdict
    )
