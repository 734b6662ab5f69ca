"""Every pair of decoders of a comparison, over the trials that both had."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.results.difference import MEASURES, DecoderDifference, Measure, differences_of
from spikeloop.streamer.closedloop.results.judged import paired_trials
from spikeloop.streamer.closedloop.results.paired_statistics import Paired, paired_figures
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["PairedReport", "compared", "every_pair", "with_the_first"]


@dataclass(frozen=True)
class PairedReport:
    """A decoder's closed loop minus that of another, trial by trial.

    Attributes
    ----------
    decoder, baseline : str
    figures : Paired
    verdicts : dict of DecoderDifference by measure
    """

    decoder: str
    baseline: str
    figures: Paired
    verdicts: dict[Measure, DecoderDifference]


def every_pair(decoders: Sequence[str]) -> list[tuple[str, str]]:
    """Pair each decoder with each one before it, (decoder, baseline); those of the first come first."""
    return [(decoder, baseline) for baseline, decoder in combinations(decoders, 2)]


def with_the_first(paired: Sequence[PairedReport]) -> list[PairedReport]:
    """Of every pair, those whose baseline is the first decoder: what a person reads first."""
    return [pair for pair in paired if pair.baseline == paired[0].baseline]


def compared(setup: Setup, pairs: Sequence[tuple[str, str]], runs: Sequence[Run]) -> tuple[PairedReport, ...]:
    """Compare the decoders of each pair; the verdicts allow for how many pairs there are.

    Parameters
    ----------
    setup : Setup
    pairs : sequence of (decoder, baseline)
    runs : sequence of Run
    """
    bin_size_s, timeout_s = setup.loaded.card.bin_size_s, setup.plan.task.timeout_s
    found = [(*pair, paired_figures(*paired_trials(*pair, runs), bin_size_s, timeout_s)) for pair in pairs]
    by_measure = {measure: differences_of(found, measure) for measure in MEASURES}
    reports = []
    for place, each in enumerate(found):
        verdicts: dict[Measure, DecoderDifference] = {measure: by_measure[measure][place] for measure in MEASURES}
        reports.append(PairedReport(*each, verdicts))
    return tuple(reports)
