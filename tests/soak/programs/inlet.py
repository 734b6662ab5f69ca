"""An inlet of our own, of bare pylsl: `inlet NAME LOG` logs each bin of each run of a stream, for ever."""

import sys
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pylsl
import pylsl.util

from tests.soak.bin_log import BinLog, Run, bin_numbers, checksum

LOOK_S, CONNECT_S, SILENCE_S = 1.0, 10.0, 0.5
AT_ONCE = 4096


def main(name: str, file: str) -> None:
    known = set[str]()
    with BinLog(Path(file)) as log:
        while True:
            for info in pylsl.resolve_byprop("name", name, timeout=LOOK_S):
                if info.uid() not in known:
                    known.add(info.uid())
                    with suppress(pylsl.util.LostError, pylsl.util.TimeoutError):
                        follow(info, log)


def follow(info: pylsl.StreamInfo, log: BinLog) -> None:
    """Log a run until it is lost, which raises."""
    inlet = pylsl.StreamInlet(info, recover=False)
    inlet.open_stream(CONNECT_S)
    run = described(inlet.info(CONNECT_S))
    while True:
        first, first_s = inlet.pull_sample(SILENCE_S)
        if first is None:
            continue
        arrived_s = pylsl.local_clock()
        more, more_s = inlet.pull_chunk(0.0, AT_ONCE)
        numbers = bin_numbers(run, np.array([first_s, *more_s]))
        log.add(run, numbers, [checksum(counts) for counts in [first, *(more or ())]], arrived_s)


def described(info: pylsl.StreamInfo) -> Run:
    own = ElementTree.fromstring(info.as_xml()).find("desc/spikeloop")
    assert own is not None
    return Run(info.name(), float(own.findtext("start_s", "nan")), 1 / info.nominal_srate())


if __name__ == "__main__":
    main(*sys.argv[1:])
