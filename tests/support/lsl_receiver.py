"""Inlets of several streams in a process of its own: `lsl_receiver.py '{"NAME": SAMPLES, ...}' OUT.json`.

Prints "connected" once all inlets receive, and ends when each stream has sent so many samples, or has ended.
"""

import json
import sys
import time
from pathlib import Path

import pylsl
import pylsl.util

APPEARS_S, SILENCE_S = 60.0, 30.0

wanted, out = json.loads(sys.argv[1]), Path(sys.argv[2])
inlets, got = {}, {}
began = time.monotonic()
while len(inlets) < len(wanted) and time.monotonic() < began + APPEARS_S:
    for info in pylsl.resolve_streams(0.5):
        if info.name() in wanted and info.name() not in inlets:
            inlet = pylsl.StreamInlet(info, recover=False)
            got[info.name()] = {"xml": inlet.info(10).as_xml(), "values": [], "stamps_s": [], "arrivals_s": []}
            inlet.open_stream(10)
            inlets[info.name()] = inlet
print("connected", flush=True)
heard = time.monotonic()
while inlets and time.monotonic() < heard + SILENCE_S:
    for name, inlet in list(inlets.items()):
        kept = got[name]
        try:
            values, stamps = inlet.pull_chunk(timeout=0.0, max_samples=4096)
        except pylsl.util.LostError:
            del inlets[name]
            continue
        if stamps:
            heard = time.monotonic()
            kept["values"] += [list(row) for row in values]
            kept["stamps_s"] += list(stamps)
            kept["arrivals_s"] += [pylsl.local_clock()] * len(stamps)
        if len(kept["stamps_s"]) >= wanted[name]:
            del inlets[name]
    time.sleep(0.0005)
out.write_text(json.dumps(got))
