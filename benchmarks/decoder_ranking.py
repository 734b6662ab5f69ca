"""Whether decoders rank on a bundle's counts as on held-out recorded ones: motor cortex, offline."""

from functools import partial

from scipy.stats import rankdata

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.evaluation.decoder_ranking import (
    OfflineScore,
    OfflineTask,
    Split,
    answered,
    as_recorded,
    compare_offline,
)
from spikeloop.models.evaluation.rank_agreement import largest_difference, rank_correlation
from spikeloop.models.evaluation.responses import Parts, split_as_trained
from spikeloop.models.recordings.simulated_cortex import RunningCortex, make_cortex
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.launch.compare_decoders import HOLD_OUT, RANKED
from spikeloop.streamer.stream.source import open_source

DECODERS = (*RANKED, "sklearn:neural_network.MLPRegressor", "recurrent")
TARGETS = {"velocity": (2, 3), "position": (0, 1)}


def measure(seconds: float) -> dict:  # noqa: ARG001
    """For every target and decoder: R2 on recorded counts, on the bundle's, and on another population's."""
    recording, bundle = read_recording("m1_jango"), load_bundle("m1_jango")
    parts = split_as_trained(recording, "m1_jango", bundle.card.channels, bundle.card.latency_bins, HOLD_OUT)
    make = partial(_make, recording.units)
    populations = {"bundle": answered(open_source(bundle, 0).next, parts), "another": _other_population(parts)}
    rows, notes = [], []
    for target, columns in TARGETS.items():
        judge = partial(compare_offline, make, DECODERS, OfflineTask(columns), as_recorded(parts))
        found = {name: judge(generated) for name, generated in populations.items()}
        rows += _rows(target, found["bundle"], found["another"])
        notes += [_note(target, name, scores) for name, scores in found.items()]
        print(*notes[-2:], sep="\n", flush=True)
    return {
        "about": "m1_jango: R2, the mean of both axes, of decoders fitted on the first four fifths and judged on the"
        " last, which the bundle never saw; on recorded counts, on as many that the bundle answers to the same"
        " movement, and, for comparison, on those of another population that does: the simulated cortex.",
        "rows": rows,
        "notes": notes,
    }


def _make(units: int, text: str, bin_size_s: float) -> Decoder:
    return open_decoder(parse_decoder(text), units=units, bin_size_s=bin_size_s, seed=0)


def _other_population(parts: Parts) -> Split:
    """The simulated cortex, which takes the velocity as cm/s."""
    cortex = RunningCortex(make_cortex(parts.whole.units))
    return answered(lambda bins, conditions: cortex.respond(conditions[:, TARGETS["velocity"]]), parts)


def _rows(target: str, bundle: tuple[OfflineScore, ...], another: tuple[OfflineScore, ...]) -> list[dict]:
    recorded = [score.recorded.r_squared.mean() for score in bundle]
    generated = [[each.generated.r_squared.mean() for each in scores if each.generated] for scores in (bundle, another)]
    ranks = [len(DECODERS) + 1 - rankdata(each) for each in (recorded, generated[0])]
    return [
        {"target": target, "decoder": name, "R2 recorded": round(float(one), 3), "R2 bundle": round(float(two), 3),
         "rank recorded": float(rank), "rank bundle": float(again), "R2 another population": round(float(three), 3)}
        for name, one, two, three, rank, again in zip(DECODERS, recorded, *generated, *ranks, strict=True)
    ]  # fmt: skip


def _note(target: str, population: str, scores: tuple[OfflineScore, ...]) -> str:
    return (
        f"{target}, {population}: rank correlation with recorded counts (Spearman) {rank_correlation(scores):.3f}, of"
        f" {len(scores)} decoders; largest difference of R2 {largest_difference(scores):.3f}."
    )
