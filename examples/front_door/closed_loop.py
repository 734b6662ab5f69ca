"""A decoder of one's own in a closed loop, beside a Kalman filter over the same targets."""

import numpy as np

import spikeloop


class Smoothed:
    """Linear regression on counts that were smoothed over time."""

    def fit(self, counts, kinematics):
        smoothed = np.empty(counts.shape)
        self.recent = np.zeros(counts.shape[1])
        for bin_, found in enumerate(counts):
            smoothed[bin_] = self.recent = 0.9 * self.recent + found
        self.mean = smoothed.mean(axis=0)
        self.weights = np.linalg.lstsq(smoothed - self.mean, kinematics, rcond=None)[0]

    def step(self, counts):
        self.recent = 0.9 * self.recent + counts
        return (self.recent - self.mean) @ self.weights


decoders = {"mine": Smoothed, "kalman": "kalman"}
result = spikeloop.closed_loop(decoders, bundle="m1-sim", trials=8, seeds=range(2), calibration_s=30)
difference = result.compare("mine", "kalman")
print(f"mine minus kalman: {difference.difference:.2f} s, {difference.verdict}")
