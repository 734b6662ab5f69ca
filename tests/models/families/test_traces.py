"""The shape of fluorescence is found again in traces that were made with it."""

import numpy as np

from spikeloop.models.families.population import population_of
from spikeloop.models.families.traces import NARROWEST, Traces, traces_of, typical_traces
from spikeloop.models.recordings.recording import Recording

NAMES = ("falls", "also", "silent")
REMAINING, SHARE, SIZE, SPREAD = 0.95, 0.04, 0.8, 0.2


def _made(width: float, repeats: int = 20, bins: int = 1000) -> Recording:
    """Make traces of two units that fall to 95 % and rise in 4 % of bins, and of a third one that stays at 0."""
    random = np.random.default_rng(0)
    values = np.zeros((repeats, bins, 3))
    values[:, 0, :2] = 2
    for bin_ in range(1, bins):
        rises = (random.random((repeats, 2)) < SHARE) * np.exp(random.logistic(np.log(SIZE), SPREAD, (repeats, 2)))
        noise = random.logistic(0, 1, (repeats, 2)) * width
        values[:, bin_, :2] = np.maximum(REMAINING * values[:, bin_ - 1, :2] + rises + noise, 0)
    return Recording(
        name="made", counts=values.astype(np.float32), bin_size_s=0.1, unit_names=NAMES, signal="fluorescence"
    )


def test_decay_noise_and_transients_are_found_again():
    recording = _made(width=0.02)
    deviations = recording.counts.std((0, 1))[:2]
    traces = traces_of(recording)
    np.testing.assert_allclose(traces.remaining[:2], REMAINING, atol=0.005)
    np.testing.assert_allclose(traces.base[:2] * deviations, 0, atol=0.01)
    np.testing.assert_allclose(traces.width[:2] * deviations, 0.02, rtol=0.15)
    np.testing.assert_allclose(traces.transients[:2], SHARE, rtol=0.1)
    np.testing.assert_allclose(np.exp(traces.log_size[:2]) * deviations, SIZE, rtol=0.1)
    np.testing.assert_allclose(np.exp(traces.log_spread[:2]), SPREAD, rtol=0.15)


def test_traces_without_noise_have_the_least_width():
    traces = traces_of(_made(width=0.0))
    np.testing.assert_allclose(traces.width[:2], NARROWEST)
    np.testing.assert_allclose(traces.remaining[:2], REMAINING, atol=1e-4)


def test_of_a_unit_that_never_changes_every_number_is_finite():
    traces = traces_of(_made(width=0.02, repeats=1))
    assert all(np.isfinite(getattr(traces, name)).all() for name in Traces.__dataclass_fields__)
    assert traces.transients[2] < 0.01


def test_a_trial_does_not_rise_from_the_end_of_the_one_before():
    values = np.tile(2 * REMAINING ** np.arange(50)[:, np.newaxis], (100, 1, 3))
    recording = Recording(
        name="falling", counts=values.astype(np.float32), bin_size_s=0.1, unit_names=NAMES, signal="fluorescence"
    )
    assert traces_of(recording).transients[0] < 0.01


def test_a_population_knows_the_shape_of_fluorescence_alone():
    recording = _made(width=0.02, repeats=1)
    assert population_of(recording).traces is not None
    spikes = Recording(name="spikes", counts=np.ones((1, 9, 3), np.uint8), bin_size_s=0.1, unit_names=NAMES)
    assert population_of(spikes).traces is None
    assert typical_traces(4).remaining.shape == (4,)
