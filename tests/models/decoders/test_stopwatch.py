import itertools
import math

import numpy as np

from spikeloop.models.decoders.decoder import DecoderStatus, ReportingDecoder, status_of
from spikeloop.models.decoders.step_spikes import StepSpikes
from spikeloop.models.decoders.stopwatch import ComputeTime, Stopwatch


class Listener(ReportingDecoder):
    @property
    def status(self):
        return DecoderStatus(events=True)

    def fit(self, counts, kinematics):
        self.columns = kinematics.shape[1]

    def step(self, counts):
        return np.ones(2)

    def step_spikes(self, spikes):
        return np.zeros(2)


def test_each_step_adds_its_time_and_the_fit_does_not():
    taken, clock = ComputeTime(), itertools.count()
    watched = Stopwatch(Listener(), 0.5, taken, now=lambda: float(next(clock)))  # a second from reading to reading
    assert math.isnan(taken.normalized_latency)
    watched.fit(np.ones((3, 2)), np.ones((3, 2)))
    assert taken == ComputeTime()
    np.testing.assert_array_equal(watched.step(np.zeros(2)), [1, 1])
    np.testing.assert_array_equal(watched.step_spikes(StepSpikes(np.zeros(0, np.int64), np.zeros(0), 1.0)), [0, 0])
    assert taken == ComputeTime(compute_s=2.0, neural_s=1.0)
    assert taken.normalized_latency == 2.0
    assert status_of(watched).events
