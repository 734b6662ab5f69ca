from inspect import signature

import numpy as np
import pytest

import spikeloop
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.models.recordings.recording import Recording
from spikeloop.streamer.commands.generate import generate
from spikeloop.streamer.commands.stream import stream
from spikeloop.streamer.launch.options import StreamOptions
from tests.support.bad_values import NO_WHOLE_NUMBER
from tests.support.tiny import tiny_stream_bundle
from tests.support.tiny_baseline import tiny_baseline

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
BINS = 300


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return tiny_stream_bundle(tmp_path_factory.mktemp("driven") / "tiny", channels=CHANNELS, slow=2)


def generated(bundle, **options) -> Recording:
    return spikeloop.generate(bundle, duration_s=BINS * bundle.card.bin_size_s, seed=3, device="cpu", **options)


def test_step_by_step_it_gives_the_spikes_that_are_generated_with_the_same_conditions(driven, random):
    conditions = random.uniform(-1, 1, (BINS, 2)).astype(np.float32)
    population = spikeloop.Population(driven, seed=3, device="cpu")
    counts = np.array([population.step(list(condition)) for condition in conditions])
    recording = generated(driven, condition=conditions)
    np.testing.assert_array_equal(counts, recording.counts[0])
    np.testing.assert_array_equal(recording.conditions[0], conditions)
    assert counts.dtype == recording.counts.dtype == np.uint8
    assert not np.array_equal(counts, generated(driven).counts[0])


def test_without_a_seed_everything_gives_the_spikes_that_a_stream_gives_without_one(driven):
    population = spikeloop.Population(driven, seed=StreamOptions().seed, device="cpu")
    expected = population.steps(50, [0.0, 0.0])
    np.testing.assert_array_equal(spikeloop.Population(driven, device="cpu").steps(50, [0.0, 0.0]), expected)
    duration_s = 50 * driven.card.bin_size_s
    recording = spikeloop.generate(driven, duration_s, condition=[0.0, 0.0], device="cpu")
    np.testing.assert_array_equal(recording.counts[0], expected)
    for command in (generate, stream):
        assert signature(command).parameters["seed"].default == StreamOptions().seed


def test_at_once_it_gives_the_same_as_step_by_step(driven):
    at_once, by_step = (spikeloop.Population(driven, seed=3, device="cpu") for _ in range(2))
    for condition in (None, [0.5, -0.5]):
        expected = np.array([by_step.step(condition) for _ in range(50)])
        np.testing.assert_array_equal(at_once.steps(50, condition), expected)
    rows = np.linspace(-1, 1, 60).reshape(30, 2)
    np.testing.assert_array_equal(at_once.steps(30, rows), [by_step.step(row) for row in rows])


@pytest.mark.parametrize("make", ["windows", "baseline"])
def test_windows_and_baselines_step_as_well(bundle, tmp_path, make):
    loaded = bundle if make == "windows" else tiny_baseline(tmp_path / "baseline", "k_pairwise")
    population = spikeloop.Population(loaded, seed=3, device="cpu")
    counts = np.array([population.step() for _ in range(BINS)])
    np.testing.assert_array_equal(counts, generated(loaded).counts[0])
    assert (population.condition_names, population.unit_names) == ((), loaded.card.unit_names)


def test_by_default_a_population_is_at_rest(driven):
    resting, held = (spikeloop.Population(driven, seed=3, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(resting.steps(BINS), held.steps(BINS, [0.0, 0.5]))
    assert held.condition_names == ("x", "y")
    assert held.bin_size_s == driven.card.bin_size_s


def test_values_far_beyond_the_range_are_clipped_and_counted(driven):
    population, limit = (spikeloop.Population(driven, seed=3, device="cpu") for _ in range(2))
    np.testing.assert_array_equal(population.steps(BINS, [1e30, 0.0]), limit.steps(BINS, [2.0, 0.0]))
    assert (population.clipped, limit.clipped) == (1, 0)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([0.5], r"expected a condition of shape \(2,\) \(x, y\), found an array of shape \(1,\)"),
        ([[0.5, 1.0]], r"found an array of shape \(1, 2\)"),
        ([0.5, float("nan")], r"expected finite numbers \(x, y\), found \[0.5, nan\]"),
        ([0.5, 1e300], "expected finite numbers"),
        (["a", "b"], r"found \['a', 'b'\]"),
        ([[1], [1, 2]], "expected a condition"),
        (3.0, r"found an array of shape \(\)"),
    ],
)
def test_a_condition_that_can_not_drive_it_is_bad_input(driven, condition, message):
    population = spikeloop.Population(driven, seed=3, device="cpu")
    with pytest.raises(BadInputError, match=message):
        population.step(condition)
    np.testing.assert_array_equal(population.steps(50), spikeloop.Population(driven, seed=3, device="cpu").steps(50))


def test_what_can_not_be_a_population_is_bad_input(bundle, driven):
    for arguments, message in (
        (("nowhere",), "no bundle named"),
        ((3,), "expected a bundle, or its name or path, found 3"),
        ((bundle, -1), "--seed: expected"),
        ((bundle, "1"), "--seed: expected"),
        ((bundle, 1, "tpu"), "--device: expected auto, cpu or cuda, found 'tpu'"),
    ):
        with pytest.raises(BadInputError, match=message):
            spikeloop.Population(*arguments)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInputError, match="the model has no conditions"):
        spikeloop.Population(bundle, device="cpu").step([1.0])
    population = spikeloop.Population(driven, device="cpu")
    for bins in (0, 2**62, None, *NO_WHOLE_NUMBER):
        with pytest.raises(BadInputError, match="bins: expected a whole number"):
            population.steps(bins)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInputError, match="expected a condition"):
        population.steps(2, [[1], [1, 2]])
    assert population.steps(np.int8(3)).shape == (3, population.step().shape[0])  # pyright: ignore[reportArgumentType]
