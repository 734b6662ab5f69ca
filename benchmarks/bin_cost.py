"""What a bin costs: `bin_cost.py BUNDLE...` prints µs of processor time for each bundle, one by one and by 100."""

import json
import sys
import time

import numpy as np

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.stream.source import open_source

RUNS, BINS = 9, 500


def main(*bundles: str) -> None:
    """Take the median of several runs of each."""
    print(json.dumps({bundle: [_microseconds(bundle, at_once) for at_once in (1, 100)] for bundle in bundles}))


def _microseconds(name: str, at_once: int) -> float:
    bundle = load_bundle(name)
    source = open_source(bundle, 0, "cpu")
    conditions = np.tile(rest_of(bundle.card.channels), (at_once, 1))
    took_s = []
    for _ in range(RUNS):
        began_s = time.process_time()
        for _ in range(BINS // at_once):
            source.next(at_once, conditions)
        took_s.append(time.process_time() - began_s)
    return float(np.median(took_s)) / BINS * 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
