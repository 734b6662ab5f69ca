"""A population for a loop of one's own: each step is driven by a condition and returns the counts of one bin."""

import spikeloop

population = spikeloop.Population("m1-sim", seed=1)
moving = sum(population.step([20.0, 0.0]).sum() for _ in range(50))  # cm/s
resting = sum(population.step([0.0, 0.0]).sum() for _ in range(50))
print("spikes in a second, moving and resting:", moving, resting)
