"""The cells of a sweep: each is one session of one decoder, and says all that its figures depend on."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.provenance import THIS_VERSION
from spikeloop.streamer.inference.decoder_hash import decoder_sha256

__all__ = ["UNPERTURBED", "Cell", "cells_of", "perturbations_of"]

UNPERTURBED = "none"


@dataclass(frozen=True)
class Cell:
    """A session of one decoder.

    Attributes
    ----------
    bundle, decoder : str
        As on the command line.
    perturbations : str
        `none`, or several joined by `+`, such as "drop:0.3+latency:100".
    seed : int
    bundle_sha256, decoder_sha256 : str
        Of the bundle, and of the decoder's file; empty where it has none.
    options : dict
        Further options of `closed_loop`, by name.
    """

    bundle: str
    decoder: str
    perturbations: str
    seed: int
    bundle_sha256: str
    decoder_sha256: str
    options: Mapping[str, Any]

    @property
    def task(self) -> str:
        """What a worker gets: the cell as JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @property
    def key(self) -> str:
        """A hash of all that the figures depend on."""
        return sha256(f"{THIS_VERSION} {self.task}".encode()).hexdigest()[:24]

    @property
    def axes(self) -> dict[str, Any]:
        """The values that identify it."""
        return {name: getattr(self, name) for name in ("bundle", "decoder", "perturbations", "seed")}

    def __str__(self) -> str:
        return f"{self.bundle}, {self.decoder}, {self.perturbations}, seed {self.seed}"


def cells_of(
    bundles: Sequence[str],
    decoders: Sequence[str],
    perturbations: Sequence[str],
    seeds: Sequence[int],
    options: Mapping[str, Any],
) -> tuple[Cell, ...]:
    """Return every cell, in the order of bundles, then perturbations, then seeds, then decoders."""
    hashes = {bundle: load_bundle(bundle).sha256 for bundle in bundles}
    files = {decoder: decoder_sha256(decoder) for decoder in decoders}
    return tuple(
        Cell(bundle, decoder, perturbed, seed, hashes[bundle], files[decoder], options)
        for bundle in bundles
        for perturbed in perturbations
        for seed in seeds
        for decoder in decoders
    )


def perturbations_of(text: str) -> list[str]:
    """Return the perturbations that a text joins."""
    return [] if text == UNPERTURBED else text.split("+")
