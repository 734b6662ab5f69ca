"""From a recording to a bundle: read a recording, train on it, export, and compare with the recording."""

import spikeloop

generated = spikeloop.generate("retina", duration_s=100)  # in place of a recording of yours
spikeloop.write_recording(generated, "session.npz")

recording = spikeloop.read_recording("session.npz")
model = spikeloop.train(recording, out="runs/mine", family="dichotomized_gaussian")  # a network takes minutes=10
bundle = model.export("mine.zip")
print(bundle.card.name, "has", len(bundle.card.unit_names), "units")
print("mean E/F", round(spikeloop.evaluate("mine.zip", recording).mean_ratio, 2))
