"""What a stream is compared with: made from bundles and samples, and how far chance alone takes it."""

import numpy as np
import pytest

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.running import RunningStatistics
from spikeloop.models.measures.similarity import distance
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.streamer.conditions.opening import open_feed
from spikeloop.streamer.monitor import reference as subject
from spikeloop.streamer.monitor.reference import (
    SAMPLE_SEED,
    Deviation,
    Reference,
    deviations,
    generate_sample,
    refer_to_bundle,
    refer_to_sample,
)
from spikeloop.streamer.stream.source import open_source
from tests.support.monitored import BIN_SIZE_S, WINDOW_BINS, simulate
from tests.support.tiny import tiny_bundle, tiny_stream_bundle

HALF_LIFE_WINDOWS = 30.0
UNITS = WINDOW_BINS  # as tiny bundles' references are of as many bins as units
CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))


def refer(sample: np.ndarray) -> Reference:
    return refer_to_sample("a sample", sample, BIN_SIZE_S, WINDOW_BINS, HALF_LIFE_WINDOWS, 0.1)


def running_of(windows: np.ndarray) -> RunningStatistics:
    _, bins, units = windows.shape
    running = RunningStatistics(bins, units, HALF_LIFE_WINDOWS)
    running.add(windows)
    return running


@pytest.fixture(scope="module")
def shipped_like(tmp_path_factory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", units=UNITS, bin_size_s=0.02)


@pytest.fixture
def short_samples(monkeypatch):
    monkeypatch.setattr(subject, "SAMPLE_S", 0.0)
    monkeypatch.setattr(subject, "SAMPLE_BINS", 1000)


def assert_holds(reference: Reference, bundle: Bundle) -> None:
    """That the bundle's statistics are the reference's, and those that follow from its covariance too."""
    for name, value in bundle.reference.items():
        np.testing.assert_array_equal(reference.statistics[name], value)
    covariance = bundle.reference["covariance"]
    np.testing.assert_allclose(reference.statistics["variance"], covariance.diagonal())
    scale = np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
    np.testing.assert_allclose(reference.statistics["correlation"], covariance / scale, atol=1e-12)


def test_ratios_of_an_unharmed_stream_are_about_one():
    """Of many stretches that the sample didn't hold, each as long as the exponential window weighs."""
    reference = refer(simulate(5, 200_000, seed=1))
    ratios: dict[str, list[float]] = {}
    for seed in range(100, 140):
        windows = simulate(5, 8 * int(HALF_LIFE_WINDOWS) * WINDOW_BINS, seed).reshape(-1, WINDOW_BINS, 5)
        running = running_of(windows)
        for each in deviations(running.statistics(), running.effective_windows, reference):
            ratios.setdefault(each.statistic, []).append(each.ratio)
    assert len(ratios) > 5
    for name, found in ratios.items():
        assert np.mean(found) == pytest.approx(1.0, abs=0.4), name


def test_a_deviation_is_the_distance_over_what_chance_makes_of_as_much_data():
    reference = refer(simulate(5, 20_000, seed=1))
    windows = 2 * simulate(5, 3_200, seed=2).reshape(-1, WINDOW_BINS, 5)
    found = running_of(windows).statistics()
    by_name = {each.statistic: each for each in deviations(found, 100.0, reference)}
    rates = by_name["rates"]
    assert rates.error == pytest.approx(distance("rates", found["rates"], reference.statistics["rates"]))
    assert rates.floor == pytest.approx(reference.spread["rates"] * np.sqrt(1 / 100 + 1 / reference.windows))
    assert rates.ratio == pytest.approx(rates.error / rates.floor)
    assert rates.ratio > 5


def test_where_chance_makes_nothing_a_ratio_is_infinite_or_nothing():
    assert Deviation("x", 0.5, 0.0).ratio == np.inf
    assert np.isnan(Deviation("x", 0.0, 0.0).ratio)


def test_statistics_that_only_one_has_are_passed_over():
    reference = refer(simulate(5, 5_000, seed=1))
    assert deviations({}, 10.0, reference) == ()


def test_a_sample_without_a_window_is_refused():
    with pytest.raises(BadInputError, match="a sample: expected at least one window of 32 bins, found 31 bins"):
        refer(simulate(5, WINDOW_BINS - 1, seed=1))


def test_a_short_sample_gives_statistics_but_says_why_there_is_no_alarm():
    reference = refer(simulate(5, 3_200, seed=1))
    assert reference.windows == 100
    assert reference.drift is None
    assert "expected a sample of at least" in reference.notice
    assert reference.spread["rates"] > 0


def test_one_window_alone_tells_no_chance():
    reference = refer(simulate(5, WINDOW_BINS, seed=1))
    assert (reference.windows, reference.spread) == (1, {})
    assert deviations(reference.statistics, 10.0, reference) == ()


def test_a_population_that_is_silent_gives_no_alarm_and_no_infinite_floor():
    reference = refer(np.zeros((20_000, 3), np.uint8))
    assert reference.drift is None
    assert reference.notice
    for each in deviations(reference.statistics, 10.0, reference):
        assert each.error == 0


def test_a_bundles_reference_is_of_its_recording_and_chance_of_its_stream(shipped_like, short_samples):
    sample = generate_sample(shipped_like, None)
    assert sample is not None
    assert sample.shape == (1000, UNITS)
    reference = refer_to_bundle(shipped_like, sample, HALF_LIFE_WINDOWS, 0.1)
    assert_holds(reference, shipped_like)
    assert reference.source.startswith("tiny, trained on ")
    assert set(reference.spread) >= {"rates", "correlation", "variance", "synchrony"}
    assert reference.spread["rates"] > 0


def test_without_a_sample_a_bundles_reference_has_neither_chance_nor_alarm(shipped_like):
    reference = refer_to_bundle(shipped_like, None, HALF_LIFE_WINDOWS, 0.1)
    assert_holds(reference, shipped_like)
    assert (reference.spread, reference.drift) == ({}, None)
    assert "no sample can be generated" in reference.notice


def test_the_sample_is_what_the_source_makes_under_the_same_condition(tmp_path, short_samples, monkeypatch):
    monkeypatch.setattr(subject, "SEGMENT_COUNTS", 4 * 77)  # in uneven segments
    bundle = tiny_stream_bundle(tmp_path / "driven", channels=CHANNELS)
    for condition in ("rest", "constant:1,-1"):
        feed = open_feed(condition, bundle.card.channels)
        expected = open_source(bundle, SAMPLE_SEED, "cpu").next(1000, feed.next(1000))
        np.testing.assert_array_equal(generate_sample(bundle, condition), expected)
    phased = tiny_stream_bundle(tmp_path / "phased", channels=(phase_condition(50),))
    assert generate_sample(phased, "phase") is not None


@pytest.mark.parametrize("condition", ["lsl:hand", "file:somewhere.npz", None])
def test_what_is_not_known_ahead_gives_no_sample(tmp_path, condition):
    assert generate_sample(tiny_stream_bundle(tmp_path / "driven", channels=CHANNELS), condition) is None


def test_a_sample_needs_no_more_memory_than_it_may(shipped_like, monkeypatch):
    monkeypatch.setattr(subject, "SAMPLE_COUNTS", 100 * UNITS)
    sample = generate_sample(shipped_like, None)
    assert sample is not None
    assert sample.size == 100 * UNITS


def test_a_sample_ends_early_on_request(shipped_like, monkeypatch):
    monkeypatch.setattr(subject, "SEGMENT_COUNTS", 100 * UNITS)
    asked = iter([False, False, True])
    sample = generate_sample(shipped_like, None, stopped=lambda: next(asked))
    assert sample is not None
    assert len(sample) == 200


def test_a_reference_that_is_not_of_the_cards_windows_is_refused(tmp_path):
    odd = tiny_bundle(tmp_path / "odd", units=6)
    with pytest.raises(BadInputError, match="tiny: expected reference statistics of 32 bins and 6 units, .* export it"):
        refer_to_bundle(odd, None, HALF_LIFE_WINDOWS, 0.1)
