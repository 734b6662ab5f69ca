"""The steps of a stream, made again: the same seed, conditions and acts give the same spikes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.streamer.conditions.opening import is_repeatable, open_feed
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.stream.controls import Controls
from spikeloop.streamer.stream.perturbations import Perturbations
from spikeloop.streamer.stream.source import CHUNK_COUNTS, open_source
from spikeloop.streamer.stream.step import Step, Transform
from spikeloop.streamer.stream.stimulation import Stimulator, Stimulus
from spikeloop.streamer.stream.timeline import Timeline

__all__ = ["Acts", "Regeneration", "conditions_again", "first_bin_of", "pauses_of"]

JUST_BEFORE = 1e-6  # of a bin


@dataclass(frozen=True, eq=False)
class Regeneration:
    """What is made again.

    Attributes
    ----------
    bundle : Bundle
    provenance : Provenance
    conditions : array of shape (bins, channels), float32
        What drives each bin.
    markers : sequence of mappings
        What was done to the stream, in the order in which it was asked for.
    device : {"auto", "cpu", "cuda"}
    """

    bundle: Bundle
    provenance: Provenance
    conditions: NDArray[np.float32]
    markers: Sequence[Mapping[str, Any]] = ()
    device: Device = "auto"

    def steps(self) -> Iterator[tuple[Step, bool]]:
        """Yield steps from the first bin to the last that has conditions, and whether each was sent.

        Raises
        ------
        BadInputError, FailureError
            As of `open_source`; or if a marker has parameters that no stream takes.
        """
        made_by, units = self.provenance, len(self.bundle.card.unit_names)
        source = open_source(self.bundle, made_by.seed, self.device)
        timeline = Timeline(made_by.start_s, made_by.bin_size_s, random_stream(made_by.seed, Purpose.EVENT_TIMES))
        acts = Acts(made_by, units, self.markers)
        for first, stop in pairwise(self._cuts(acts, units)):
            conditions = self.conditions[first:stop]
            counts = source.next(stop - first, conditions)
            yield acts.apply(timeline.step(first, counts, conditions))

    def _cuts(self, acts: "Acts", units: int) -> list[int]:
        """Return where steps begin: every second or so of work, and where something was done to the stream."""
        bins = len(self.conditions)
        regular = range(0, bins, max(1, CHUNK_COUNTS // units))
        return sorted({*regular, *(first for first in acts.first_bins if first < bins), bins})


class Acts:
    """What was done to a stream, done again: before the step in which each act begins.

    Parameters
    ----------
    provenance : Provenance
    units : int
        Of the population.
    markers : sequence of mappings
        As of NAME-Markers.
    """

    def __init__(self, provenance: Provenance, units: int, markers: Sequence[Mapping[str, Any]]) -> None:
        seed, start_s = provenance.seed, provenance.start_s
        self._controls = Controls(start_s, random_stream(seed, Purpose.GAIN))
        random = random_stream(seed, Purpose.STREAM_PERTURBATIONS)
        self._perturbations = Perturbations(units, start_s, provenance.bin_size_s, random)
        self._stimulator = None
        transforms: list[Transform] = [self._controls, self._perturbations]
        if provenance.signal == "spikes" and any(marker["event"] == "stimulate" for marker in markers):
            self._stimulator = Stimulator(units, start_s, random_stream(seed, Purpose.STIMULATION))
            transforms.insert(0, self._stimulator)
        self._transforms, self._units = transforms, units
        acts = [(first_bin_of(marker, provenance), marker) for marker in markers]
        self._waiting = sorted(acts, key=lambda act: act[0])

    @property
    def first_bins(self) -> list[int]:
        """The bins before which something is done."""
        return [first for first, _ in self._waiting]

    def apply(self, step: Step) -> tuple[Step, bool]:
        """Return the step as it went out, and whether it did."""
        while self._waiting and self._waiting[0][0] <= step.first_bin:
            self._do(self._waiting.pop(0)[1])
        for transform in self._transforms:
            step = transform.apply(step)
        return step, self._controls.lets_out

    def _do(self, marker: Mapping[str, Any]) -> None:
        try:
            match marker["event"]:
                case "gain":
                    self._controls.set_gain(marker["value"])
                case "pause" | "resume":
                    self._controls.set_paused(marker["event"] == "pause")
                case "perturb":
                    dropped = marker["kind"] == "drop"
                    how = {"units": marker["units"]} if dropped else {"value": marker["value"]}
                    self._perturbations.set(marker["kind"], **how)
                case _ if self._stimulator is not None:
                    self._stimulator.stimulate(_stimulus(marker, self._units), float(marker["stamp_s"]))
        except (KeyError, TypeError) as error:
            raise BadInputError(
                f"expected the parameters of an act in NAME-Markers, found {dict(marker)!r:.120}; is the file complete?"
            ) from error


def first_bin_of(marker: Mapping[str, Any], provenance: Provenance) -> int:
    """Return the first bin that an act may change."""
    at = (float(marker["stamp_s"]) - provenance.start_s) / provenance.bin_size_s
    return max(0, int(np.floor(at - JUST_BEFORE)) if marker["event"] == "stimulate" else round(at))


def pauses_of(markers: Sequence[Mapping[str, Any]], provenance: Provenance) -> list[tuple[int, int]]:
    """Return the first bin of each pause, and the one with which the stream went on."""
    pauses, begin = [], None
    for marker in markers:
        if marker["event"] == "pause" and begin is None:
            begin = first_bin_of(marker, provenance)
        elif marker["event"] == "resume" and begin is not None:
            pauses.append((begin, first_bin_of(marker, provenance)))
            begin = None
    return pauses


def _stimulus(marker: Mapping[str, Any], units: int) -> Stimulus:
    every = marker["units"] == "all"
    train = {name: marker[name] for name in ("amplitude_ua", "pulses", "rate_hz", "pulse_width_us")}
    return Stimulus(tuple(range(units)) if every else tuple(marker["units"]), **train)


def conditions_again(bundle: Bundle, provenance: Provenance, bins: int) -> NDArray[np.float32] | None:
    """Return what drove the first bins, (bins, channels), where the header's words alone say so; else None.

    Raises
    ------
    BadInputError
        If the words don't suit the bundle.
    """
    channels, asked = bundle.card.channels, provenance.condition
    if not channels:
        return np.empty((bins, 0), np.float32)
    return open_feed(asked, channels).next(bins) if is_repeatable(asked) else None
