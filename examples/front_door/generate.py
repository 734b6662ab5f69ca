"""A minute of a shipped bundle's spikes, as fast as the machine allows."""

import spikeloop

bundle = spikeloop.load_bundle("retina")
spikes = spikeloop.generate(bundle, duration_s=60, seed=1)
print("bins, units:", spikes.counts.reshape(-1, len(spikes.unit_names)).shape)
