"""Conditional models with known answers: perfect ones, deaf ones, and ones that tell what they were asked."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.responses import (
    TRAINING_PASSES,
    Responses,
    evaluate_responses,
    respond,
    split_as_trained,
    tuning,
)
from spikeloop.models.measures.similarity import MOST_DRAWS
from spikeloop.models.recordings.condition import Condition, phase_condition
from spikeloop.models.recordings.conditioning import with_conditions, with_lead, without_conditions
from spikeloop.models.recordings.recording import Recording, from_counts
from spikeloop.models.recordings.session_time import SESSION_TIME, with_session_time
from spikeloop.models.recordings.windows import hold_out

LEAD, EVERY, UNITS = 3, 5, 8
VELOCITY = (Condition("x", "cm/s", 0, 200),)


def numbered(repeats: int, bins: int) -> Recording:
    """Each bin's count and condition are its number."""
    numbers = np.arange(repeats * bins).reshape(repeats, bins, 1)
    return with_conditions(from_counts(numbers, 0.05, name="numbered"), numbers, ["x"], ["cm/s"])


@pytest.mark.parametrize(("repeats", "bins"), [(1, 200), (10, 20), (3, 40)])
def test_each_bin_and_what_drove_it_are_in_one_part_only(repeats, bins):
    recording = numbered(repeats, bins)
    parts = split_as_trained(recording, "model", VELOCITY, LEAD, EVERY)
    seen = [set(part.counts.ravel().tolist()) for part in (parts.training, parts.held_out)]
    driven = [set(part.conditions.ravel().tolist()) for part in (parts.training, parts.held_out)]
    moved = [set(movement.ravel().tolist()) for movement in (parts.movement, parts.held_out_movement)]
    for training, held_out in (seen, driven, moved):
        assert training
        assert held_out
        assert not training & held_out
    assert len(seen[0] | seen[1]) == repeats * (bins - LEAD)


@pytest.mark.parametrize(("repeats", "bins"), [(1, 200), (10, 20)])
def test_parts_are_those_of_training_and_movement_is_that_of_the_very_bins(repeats, bins):
    recording = numbered(repeats, bins)
    parts = split_as_trained(recording, "model", VELOCITY, LEAD, EVERY)
    for found, expected in zip(
        (parts.training, parts.held_out), hold_out(with_lead(recording, LEAD), EVERY), strict=True
    ):
        np.testing.assert_array_equal(found.counts, expected.counts)
        np.testing.assert_array_equal(found.conditions, expected.conditions)
        np.testing.assert_array_equal(found.conditions, found.counts.astype(float) + LEAD)
    np.testing.assert_array_equal(parts.movement, parts.training.counts)
    np.testing.assert_array_equal(parts.held_out_movement, parts.held_out.counts)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_model_that_knows_the_session_time_is_told_that_of_each_bin(recorded):
    recording = numbered(1, 200)
    parts = split_as_trained(recording, "model", (*VELOCITY * recorded, SESSION_TIME), LEAD * recorded, EVERY)
    as_trained = with_session_time(recording if recorded else without_conditions(recording))
    as_trained = with_lead(as_trained, LEAD * recorded)
    np.testing.assert_array_equal(parts.whole.conditions, as_trained.conditions)
    assert parts.whole.channels == as_trained.channels
    for found, expected in zip((parts.training, parts.held_out), hold_out(as_trained, EVERY), strict=True):
        np.testing.assert_array_equal(found.conditions, expected.conditions)
    assert parts.movement.shape[2] == parts.held_out_movement.shape[2] == recorded  # decoders are not to read the time


def test_a_recording_that_states_the_session_time_is_taken_at_its_word():
    stated = with_session_time(numbered(1, 200))
    stated = replace(stated, driven_by=0.5 * stated.conditions)
    parts = split_as_trained(stated, "model", stated.channels, 0, EVERY)
    np.testing.assert_array_equal(parts.whole.conditions, stated.conditions)


def test_an_unconditional_model_is_judged_without_conditions():
    parts = split_as_trained(numbered(1, 200), "model", (), 0, EVERY)
    assert parts.whole.channels == ()
    assert parts.training.driven_by is None
    assert parts.held_out.bins == 40


@pytest.mark.parametrize(
    ("recording", "channels", "message"),
    [
        (numbered(1, 200), (phase_condition(50),), "numbered: expected repeats of a stimulus"),
        (numbered(4, 50), (phase_condition(40),), "model answers to a stimulus of 40 bins, numbered has repeats of 50"),
        (numbered(9, 20), (phase_condition(20),), "expected at least 10 repeats.*found 9; lower --hold-out"),
        (
            numbered(1, 200),
            (Condition("speed", "", 0, 1),),
            "model answers to speed; numbered has x; expected the same",
        ),
        (from_counts(np.ones((200, 1)), 0.05), VELOCITY, "model answers to x; recording has no conditions"),
        (numbered(2, 3), VELOCITY, "expected a lead of 0 to 2 bins, found 3"),
    ],
)
def test_recordings_without_what_the_model_answers_to_are_refused(recording, channels, message):
    with pytest.raises(BadInputError, match=message):
        split_as_trained(recording, "model", channels, LEAD, EVERY)


class Echo:
    """A stream that gives back its conditions, and the order of the bins asked for."""

    def __init__(self) -> None:
        self.asked = np.empty((0, 1), np.float32)

    def __call__(self, bins: int, conditions: np.ndarray) -> np.ndarray:
        assert conditions.shape == (bins, 1)
        self.asked = np.concatenate([self.asked, conditions])
        return conditions.astype(np.uint8)


def test_one_stream_answers_the_training_part_and_then_the_held_out_one_time_and_again():
    parts, echo = split_as_trained(numbered(10, 20), "model", VELOCITY, LEAD, EVERY), Echo()
    responses = respond(echo, parts, draws=3)
    assert responses.training is not None
    passes = np.tile(parts.training.conditions, (TRAINING_PASSES, 1, 1))
    np.testing.assert_array_equal(responses.training, passes)
    np.testing.assert_array_equal(responses.held_out, np.tile(parts.held_out.conditions, (3, 1, 1)))
    in_order = np.concatenate([responses.training.ravel(), responses.held_out.ravel()])
    np.testing.assert_array_equal(echo.asked.ravel(), in_order)


def test_phases_run_on_from_repeat_to_repeat():
    parts, echo = split_as_trained(numbered(10, 20), "model", (phase_condition(20),), 0, EVERY), Echo()
    responses = respond(echo, parts)
    assert responses.training is None
    assert responses.held_out.shape == (2 * MOST_DRAWS, 20, 1)
    np.testing.assert_array_equal(echo.asked.ravel(), np.arange(2 * MOST_DRAWS * 20) % 20)


class Tuned:
    """Poisson units that answer to the condition: as well as `hearing` says."""

    weights = np.random.Generator(np.random.Philox(5)).normal(0, 0.5, (2, UNITS))

    def __init__(self, seed: int, hearing: float = 1.0) -> None:
        self.random = np.random.Generator(np.random.Philox(seed))
        self.hearing = hearing

    def __call__(self, bins: int, conditions: np.ndarray) -> np.ndarray:
        return self.random.poisson(np.exp(self.hearing * conditions @ self.weights)).clip(max=255).astype(np.uint8)


@pytest.fixture(scope="module")
def driven() -> Recording:
    """6 min of units that lead the movement by `LEAD` bins."""
    random = np.random.Generator(np.random.Philox(4))
    steps = random.standard_normal((7200 + LEAD, 2)) * np.sqrt(1 - 0.95**2)
    movement = np.zeros_like(steps)
    for bin_ in range(1, len(steps)):
        movement[bin_] = 0.95 * movement[bin_ - 1] + steps[bin_]
    counts = Tuned(6)(7200, movement[LEAD:])
    return with_conditions(from_counts(counts, 0.05), movement[:-LEAD], ["x", "y"], ["cm/s", "cm/s"])


def test_a_model_that_answers_as_the_population_does_is_told_from_a_deaf_one(driven):
    parts = split_as_trained(driven, "model", driven.channels, LEAD, EVERY, stretches=1)
    perfect, deaf = (evaluate_responses(respond(Tuned(7, hearing), parts, 4), parts) for hearing in (1.0, 0.0))
    assert [(each.decoder, each.column) for each in perfect.decoding] == [
        ("ridge", 0), ("ridge", 1), ("Kalman", 0), ("Kalman", 1),
    ]  # fmt: skip
    for good, bad in zip(perfect.decoding, deaf.decoding, strict=True):
        assert good.real == bad.real > 0.4
        assert good.ratio == pytest.approx(1, abs=0.1)
        assert bad.ratio < 0.8 * good.ratio  # a Kalman filter makes much of chance
    assert all(each.ratio < 0.2 for each in deaf.decoding[:2])
    assert perfect.responses is None
    assert perfect.continuous is not None
    assert deaf.continuous is not None
    assert perfect.continuous.population_variance_ratio == pytest.approx(1, abs=0.15)
    assert deaf.continuous.population_variance_ratio < 0.7
    ratios = [{row.statistic: row.ratio for row in each.rows} for each in (perfect.continuous, deaf.continuous)]
    for statistic in ("population_count_divergence", "correlation", "lag_1_autocorrelation"):
        assert ratios[0][statistic] < 1.6
        assert ratios[1][statistic] > 2 * ratios[0][statistic]
    reachable = {row.statistic: row.ratio for row in perfect.continuous.reachable}
    assert list(reachable) == list(ratios[0])
    assert all(reachable[statistic] < 1.6 for statistic in ("correlation", "fano_factor", "lag_1_autocorrelation"))


def test_a_model_that_knows_how_a_session_drifts_is_nearer_to_it_than_its_training_data_are(driven):
    """Held out is the end, at which the rates are highest."""
    later = with_session_time(without_conditions(driven)).conditions

    def population(seed: int, drift: np.ndarray) -> np.ndarray:
        return np.random.Generator(np.random.Philox(seed)).poisson(1 + drift, (len(drift), UNITS)).astype(np.uint8)

    drifting = from_counts(population(1, later[0]), 0.05)
    parts = split_as_trained(drifting, "model", (SESSION_TIME,), 0, EVERY, stretches=1)
    found = evaluate_responses(respond(lambda _, conditions: population(2, conditions), parts, 4), parts)
    assert found.decoding == ()
    assert found.continuous is not None
    model, reachable = (
        {row.statistic: row.ratio for row in rows} for rows in (found.continuous.rows, found.continuous.reachable)
    )
    assert model["rates"] < 1.6 < 3 < reachable["rates"]


def test_what_is_reachable_falls_short_where_the_end_of_a_session_that_drifts_is_held_out(driven):
    """The units fire more and more: not even the training data are like the end, but they are like parts in between."""
    later = np.arange(driven.bins)[np.newaxis, :, np.newaxis] / driven.bins
    more = np.random.Generator(np.random.Philox(9)).poisson(3 * later, driven.counts.shape)
    drifting = replace(driven, counts=(driven.counts + more).astype(driven.counts.dtype))
    reached = []
    for recording, stretches in ((driven, 1), (drifting, 1), (drifting, 5)):
        parts = split_as_trained(recording, "model", driven.channels, LEAD, EVERY, stretches)
        found = evaluate_responses(respond(Tuned(7, 1.0), parts, 4), parts).continuous
        assert found is not None
        reached.append({row.statistic: row.ratio for row in found.reachable}["rates"])
    assert reached[1] > 2 * max(reached[0], reached[2])


def test_answers_that_come_at_other_bins_teach_decoders_less(driven):
    """What is decoded stands at the bins of the spikes; a stream that is late by some bins shows."""
    parts = split_as_trained(driven, "model", driven.channels, LEAD, EVERY)
    responses = respond(Tuned(7), parts, 1)
    assert responses.training is not None
    late = replace(responses, training=np.roll(responses.training, 4 * LEAD, axis=1))
    punctual, delayed = (evaluate_responses(each, parts).decoding for each in (responses, late))
    assert all(bad.synthetic < good.synthetic - 0.05 for good, bad in zip(punctual[:2], delayed[:2], strict=True))


def test_answers_to_a_stimulus_are_judged_by_psths_and_noise_correlations():
    def stimulated(repeats: int, seed: int, depth: float = 1.0) -> np.ndarray:
        random = np.random.Generator(np.random.Philox(seed))
        rate = 1 + depth * np.sin(np.arange(100)[:, np.newaxis] / (3 + np.arange(4)))
        return random.poisson(rate * random.gamma(3, 1 / 3, (repeats, 100, 1))).astype(np.uint8)

    parts = split_as_trained(from_counts(stimulated(60, 1), 0.02), "model", (phase_condition(100),), 0, EVERY)
    perfect, flat = (
        evaluate_responses(Responses(stimulated(12 * MOST_DRAWS, 2, depth)), parts) for depth in (1.0, 0.0)
    )
    for each in (perfect, flat):
        assert (each.continuous, each.decoding) == (None, ())
        assert each.model.shape == each.held_out.counts.shape == (12, 100, 4)
    good, bad = perfect.responses, flat.responses
    assert good is not None
    assert bad is not None
    assert good.repeats == bad.repeats == 12
    assert good.psth_correlation == pytest.approx(good.psth_reachable, abs=0.03)
    assert good.noise_correlation.ratio == pytest.approx(1, abs=0.3)
    assert abs(bad.psth_correlation) < 0.3


def test_of_fluorescence_the_conditions_are_decoded_and_no_spikes_are_counted(driven):
    traces = replace(driven, counts=driven.counts.astype(np.float32) / 3, signal="fluorescence")
    parts = split_as_trained(traces, "model", driven.channels, LEAD, EVERY)
    judged = evaluate_responses(respond(lambda *asked: Tuned(8)(*asked) / np.float32(3), parts, 1), parts)
    assert judged.continuous is None
    assert len(judged.decoding) == 4
    assert all(np.isfinite(each.ratio) for each in judged.decoding)


def test_tuning_is_the_correlation_of_counts_and_conditions(random):
    counts = random.poisson(2, (3, 50, 4)).astype(np.uint8)
    conditions = random.standard_normal((3, 50, 2)).astype(np.float32)
    counts[..., 3], conditions[..., 1] = 7, conditions[..., 0] + counts[..., 0]
    found = tuning(counts, conditions)
    flat = np.concatenate([counts.reshape(-1, 4)[:, :3], conditions.reshape(-1, 2)], axis=1)
    np.testing.assert_allclose(found[:3], np.corrcoef(flat, rowvar=False)[:3, 3:], atol=1e-6)
    np.testing.assert_array_equal(found[3], 0)
