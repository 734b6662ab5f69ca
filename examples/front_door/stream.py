"""A stream over LSL in the background, and an inlet that receives from it."""

import pylsl

import spikeloop

with spikeloop.stream("retina", name="lab") as stream:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", "lab", timeout=20)[0])
    samples = [inlet.pull_sample(timeout=20)[0] for _ in range(50)]
    print("bins received:", sum(sample is not None for sample in samples))
print(stream.report)
