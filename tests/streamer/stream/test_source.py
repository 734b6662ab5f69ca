from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.baselines import draw_bins
from spikeloop.models.families.registry import BASELINES
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.condition import Condition, rest_of
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.stream.source import SamplerSource, StreamSource, WindowSource, open_source
from tests.support.tiny import tiny_stream_bundle
from tests.support.tiny_baseline import tiny_baseline, tiny_baseline_card, tiny_model


@pytest.fixture(scope="module")
def engine(bundle):
    return Engine(bundle, "cpu")


@given(steps=st.lists(st.integers(1, 700), min_size=1, max_size=12), seed=st.integers(0, 2**64))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_any_sequence_of_steps_gives_the_same_spikes(engine, steps, seed):
    whole = WindowSource(engine, seed).next(sum(steps))
    source = WindowSource(engine, seed)
    np.testing.assert_array_equal(np.concatenate([source.next(bins) for bins in steps]), whole)
    assert whole.shape == (sum(steps), 96)
    assert whole.dtype == np.uint8


def test_seeds_differ(engine):
    assert not np.array_equal(WindowSource(engine, 0).next(100), WindowSource(engine, 1).next(100))


def test_spikes_come_as_often_as_their_probability_says(engine):
    """Standardised by the variance of Bernoulli draws, sums over windows are standard normal."""
    counts = WindowSource(engine, 3).next(32 * 4000).reshape(4000, 32, 96)
    probability = engine.run(random_stream(3, Purpose.LATENTS).standard_normal((4000, 8), np.float32))
    z = (counts.sum(axis=0) - probability.sum(axis=0)) / np.sqrt((probability * (1 - probability)).sum(axis=0))
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.06


def test_each_run_of_the_generator_is_reported(engine):
    told = []
    WindowSource(engine, 0, told.append).next(32 * 8 * 3)
    assert len(told) == 3
    assert all(seconds > 0 for seconds in told)


@pytest.fixture(scope="module")
def baselines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    return {family: tiny_baseline(folder / family, family) for family in BASELINES}


@pytest.mark.parametrize("family", BASELINES)
@given(steps=st.lists(st.integers(1, 3000), min_size=1, max_size=8), seed=st.integers(0, 2**64))
@settings(deadline=None, max_examples=25)
def test_any_sequence_of_steps_gives_the_same_spikes_of_a_baseline(baselines, family, steps, seed):
    whole = open_source(baselines[family], seed).next(sum(steps))
    source = open_source(baselines[family], seed)
    np.testing.assert_array_equal(np.concatenate([source.next(bins) for bins in steps]), whole)
    assert whole.shape == (sum(steps), 4)
    assert whole.dtype == np.uint8


@pytest.mark.parametrize("family", BASELINES)
def test_a_baseline_streams_the_spikes_of_its_model(baselines, family):
    bins = 40_000
    source = open_source(baselines[family], 9)
    assert isinstance(source, SamplerSource)
    assert (source.unit_names, source.bin_size_s) == (baselines[family].card.unit_names, 0.001)
    assert (source.provider, source.notice) == ("NumPy", "")
    rates = source.next(bins).mean(axis=0)
    np.testing.assert_allclose(rates, draw_bins(tiny_model(family), bins, 0).mean(axis=0), atol=0.02)
    assert not np.array_equal(open_source(baselines[family], 8).next(500), open_source(baselines[family], 9).next(500))


@pytest.mark.parametrize("family", BASELINES)
def test_each_run_of_a_sampler_is_reported(baselines, family):
    told = []
    source = open_source(baselines[family], 0, on_inference=told.append)
    source.next(2 * source.run_bins + 1)
    source.next(source.run_bins - 1)
    assert len(told) == 3
    assert all(seconds > 0 for seconds in told)


def test_a_source_is_opened_by_its_family(bundle, engine):
    source = open_source(bundle, 2, "cpu")
    assert isinstance(source, WindowSource)
    np.testing.assert_array_equal(source.next(100), WindowSource(engine, 2).next(100))


@pytest.mark.parametrize("family", BASELINES)
def test_parameters_of_other_units_or_of_another_family_are_refused(baselines, family):
    five = replace(baselines[family], card=tiny_baseline_card(family, 5))
    with pytest.raises(BadInputError, match="tiny: expected parameters of 5 units, found 4"):
        open_source(five, 0)
    (other,) = set(BASELINES) - {family}
    with pytest.raises(BadInputError, match="expected the arrays of a"):
        open_source(replace(baselines[family], parameters=baselines[other].parameters), 0)


CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
KINDS = {
    "bernoulli": {},
    "counts": {"distribution": "counts", "slow": 2},
    "fluorescence": {"distribution": "fluorescence"},
    "driven": {"channels": CHANNELS},
    "driven and slow": {"channels": CHANNELS, "distribution": "counts", "slow": 3},
}


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    return {kind: tiny_stream_bundle(folder / kind, **options) for kind, options in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
@given(steps=st.lists(st.integers(1, 60), min_size=1, max_size=8), seed=st.integers(0, 2**64))
@settings(deadline=None, max_examples=10)
def test_any_sequence_of_steps_gives_the_same_spikes_of_a_causal_generator(streams, kind, steps, seed):
    bins = sum(steps)
    channels = streams[kind].card.channels
    conditions = np.random.default_rng(1).uniform(-1, 1, (bins, len(channels))).astype(np.float32)
    whole = open_source(streams[kind], seed, "cpu").next(bins, conditions)
    source = open_source(streams[kind], seed, "cpu")
    parts = [source.next(len(part), part) for part in np.split(conditions, np.cumsum(steps)[:-1])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.shape == (bins, 4)
    assert whole.dtype == source.dtype == (np.float32 if kind == "fluorescence" else np.uint8)


@given(changed=st.integers(0, 99), seed=st.integers(0, 2**64))
@settings(deadline=None, max_examples=15)
def test_what_drives_a_bin_changes_nothing_before_it(streams, changed, seed):
    conditions = np.zeros((100, 2), np.float32)
    other = conditions.copy()
    other[changed:] = 1
    taken = [open_source(streams["driven"], seed, "cpu").next(100, each) for each in (conditions, other)]
    np.testing.assert_array_equal(taken[0][:changed], taken[1][:changed])


def test_conditions_and_seeds_matter_and_without_conditions_it_rests(streams):
    def taken(seed: int, values: tuple[float, ...] | None) -> np.ndarray:
        conditions = None if values is None else np.tile(np.array(values, np.float32), (400, 1))
        return open_source(streams["driven"], seed, "cpu").next(400, conditions)

    np.testing.assert_array_equal(taken(0, None), taken(0, tuple(rest_of(CHANNELS))))
    assert not np.array_equal(taken(0, None), taken(0, (1, -1)))
    assert not np.array_equal(taken(0, None), taken(1, None))


def test_a_causal_generator_is_opened_by_its_kind_and_tells_its_runs(streams):
    told = []
    source = open_source(streams["driven"], 0, "cpu", told.append)
    assert isinstance(source, StreamSource)
    assert (source.unit_names, source.bin_size_s, source.run_bins) == (streams["driven"].card.unit_names, 0.001, 1)
    assert (source.provider, source.notice) == ("CPUExecutionProvider", "")
    source.next(3)
    source.next(1)
    assert len(told) == 2
    assert all(seconds > 0 for seconds in told)
