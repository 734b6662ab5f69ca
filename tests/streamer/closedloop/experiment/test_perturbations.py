from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.perturbations import (
    KINDS,
    Perturbation,
    PerturbedLoop,
    bins_late,
    parse_perturbation,
    parse_perturbations,
)

BIN_S = 0.02
UNITS = 50
EVERY = tuple(
    Perturbation(*each)
    for each in (
        ("drop", 0.3),
        ("drift", 2.0),
        ("noise", 20.0),
        ("loss", 0.4),
        ("latency", 100.0),
        ("rotation", 60.0),
    )
)


def loop(*perturbations, units=UNITS, seed=0):
    return PerturbedLoop(perturbations, units, BIN_S, lambda number: random_stream(seed, Purpose.PERTURBATIONS, number))


def arriving(perturbed, counts, bins):
    """What arrives of the same counts in each of so many bins."""
    arrived = []
    for _ in range(bins):
        perturbed.begin_bin()
        arrived.append(perturbed.counts(counts))
    return arrived


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop:0.5", Perturbation("drop", 0.5)),
        ("latency:200@30", Perturbation("latency", 200.0, 30.0)),
        ("rotation:-90@1.5", Perturbation("rotation", -90.0, 1.5)),
        ("loss:1", Perturbation("loss", 1.0)),
    ],
)
def test_a_perturbation_is_read_as_it_is_written(text, expected):
    assert parse_perturbation(text) == expected
    assert str(expected) == text


@given(kind=st.sampled_from(list(KINDS)), share=st.integers(0, 100), onset=st.integers(0, 600))
def test_what_is_written_is_read_again(kind, share, onset):
    value = KINDS[kind].low + (KINDS[kind].high - KINDS[kind].low) * share / 100
    found = Perturbation(kind, value, onset)
    assert parse_perturbation(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "drop",
        "drop:",
        "drop:x",
        "drop:1.1",
        "drop:-0.1",
        "drop:nan",
        "loss:0.5@",
        "loss:0.5@-1",
        "loss:0.5@inf",
        "loss:0.5@nan",
        "latency:10001",
        "rotation:181",
        "gravity:1",
        ":0.5",
    ],
)
def test_what_can_not_be_is_refused_with_what_can(text):
    with pytest.raises(BadInputError, match="--perturb: expected KIND:VALUE.*drop:0 to 1.*found") as caught:
        parse_perturbation(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        Perturbation("gravity", 1.0),
        Perturbation(["loss"], 1.0),  # type: ignore[arg-type]
        Perturbation("loss", 7.0),
        Perturbation("drop", 1, -1),
        Perturbation("drop", "0.3"),  # type: ignore[arg-type]
        Perturbation("drop", True),
        Perturbation("drop", float("nan")),
        Perturbation("drop", 0.3, None),  # type: ignore[arg-type]
        Perturbation("drop", 0.3, float("nan")),
        Perturbation("drop", 0.3, np.True_),  # type: ignore[arg-type]
    ],
)
def test_a_loop_refuses_what_can_not_be(bad):
    for refuse in (loop, lambda given: parse_perturbations([given])):
        with pytest.raises(BadInputError, match="--perturb: expected"):
            refuse(bad)


def test_every_kind_repeated_has_a_random_number_of_its_own_that_a_further_kind_leaves_as_it_is(monkeypatch):
    def numbers(*kinds):
        asked = []
        perturbations = [Perturbation(kind, 0.1) for kind in kinds]
        PerturbedLoop(perturbations, UNITS, BIN_S, lambda number: asked.append(number) or np.random.default_rng())
        return asked

    repeated = ("drop", "drift", "drop", "rotation", "latency", "loss", "noise", "drop", "rotation")
    before = [0, 1, 6, 5, 4, 3, 2, 12, 11]
    assert numbers(*repeated) == before
    monkeypatch.setitem(KINDS, "silence", replace(KINDS["drop"], number=6))
    further = numbers(*repeated, "silence", "silence")
    assert further[: len(repeated)] == before
    assert len(set(further)) == len(further)


def test_a_kind_that_is_added_does_what_its_line_says_and_no_other(monkeypatch):
    monkeypatch.setitem(KINDS, "silence", replace(KINDS["drop"], number=6))
    perturbed = loop(parse_perturbation("silence:1"))
    velocity = np.array([1.0, 2.0])
    assert not np.any(arriving(perturbed, np.ones(UNITS, int), 1)[0])
    np.testing.assert_array_equal(perturbed.intended_velocity(velocity), velocity)


def test_each_kind_has_a_number_of_its_own():
    assert [kind.number for kind in KINDS.values()] == list(range(len(KINDS)))


@pytest.mark.parametrize("each", EVERY, ids=str)
def test_a_perturbation_begins_exactly_at_its_onset(each):
    strong: dict[str, float] = {"drop": 1.0, "loss": 1.0, "drift": 100.0}  # that each acts in its first bin
    late = Perturbation(each.kind, strong.get(each.kind) or each.value, 0.2)
    perturbed = loop(late)
    counts = np.full(UNITS, 40, np.uint8)
    changed = []
    for bin_ in range(15):
        way = np.array([1.0, bin_])
        assert perturbed.begin_bin() == ([late] if bin_ == 10 else [])
        changed.append(
            (arrived := perturbed.counts(counts)) is None
            or not np.array_equal(arrived, counts)
            or not np.array_equal(perturbed.intended_velocity(way), way)
            or not np.array_equal(perturbed.velocity(way), way)
        )
    first = 11 if each.kind == "latency" else 10  # its first velocity arrives at once, and holds
    assert changed[: first + 1] == [False] * first + [True]


def test_without_perturbations_everything_arrives():
    perturbed, counts = loop(), np.arange(UNITS)
    assert perturbed.begin_bin() == []
    np.testing.assert_array_equal(perturbed.counts(counts), counts)


@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_dropped_units_are_silent_for_good_and_the_others_untouched(share, seed):
    counts = np.arange(1, UNITS + 1, dtype=np.uint8)
    first, *later = arriving(loop(Perturbation("drop", share), seed=seed), counts, 4)
    silent = first == 0
    assert silent.sum() == round(share * UNITS)
    np.testing.assert_array_equal(first[~silent], counts[~silent])
    for each in later:
        np.testing.assert_array_equal(each, first)


def test_another_seed_drops_other_units():
    counts = np.ones(UNITS, np.uint8)
    (one,), (other,) = (arriving(loop(Perturbation("drop", 0.5), seed=each), counts, 1) for each in (0, 1))
    assert not np.array_equal(one, other)


def test_a_unit_drifts_steadily_and_log_rates_spread_by_the_deviation_in_a_minute():
    units = 2000
    counts = np.full(units, 1_000_000)
    perturbed = loop(Perturbation("drift", 0.3), units=units)
    bins = round(60 / BIN_S)
    arrived = arriving(perturbed, counts, bins)
    half, whole = np.log(arrived[bins // 2 - 1] / 1e6), np.log(arrived[-1] / 1e6)
    np.testing.assert_allclose(whole, 2 * half, atol=0.01)
    np.testing.assert_allclose(whole.std(), 0.3, rtol=0.06)
    np.testing.assert_allclose(whole.mean(), 0.0, atol=0.03)


def test_few_spikes_drift_by_the_same_factor_on_average():
    units = 20
    slow, fast = (loop(Perturbation("drift", 3.0), units=units) for _ in range(2))
    exact = np.array(arriving(fast, np.full(units, 10**8), 3000)) / 1e8
    few = np.array(arriving(slow, np.full(units, 2, np.uint8), 3000))
    assert few.dtype.kind in "ui"
    np.testing.assert_allclose(few[1000:].mean(axis=0) / 2, exact[1000:].mean(axis=0), rtol=0.1, atol=0.02)


def test_drift_stops_at_ten_times_the_rate():
    last = arriving(loop(Perturbation("drift", 100.0)), np.full(UNITS, 255, np.uint8), 3000)[-1]
    assert np.count_nonzero(last == 2550) > UNITS / 3
    assert last.max() == 2550


def test_noise_adds_poisson_spikes_of_its_rate_to_every_unit():
    counts = np.full(UNITS, 250, np.uint8)  # so near to what a byte holds that sums would wrap around
    added = np.array(arriving(loop(Perturbation("noise", 100.0)), counts, 4000)) - 250
    assert added.min() == 0
    np.testing.assert_allclose(added.mean(axis=0), 2.0, rtol=0.08)
    np.testing.assert_allclose(added.var(axis=0), 2.0, rtol=0.15)
    assert np.abs(np.corrcoef(added.T) - np.eye(UNITS)).max() < 0.08


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_its_share_of_bins_is_lost(share):
    arrived = arriving(loop(Perturbation("loss", share)), np.arange(UNITS), 4000)
    lost = np.mean([each is None for each in arrived])
    assert lost == pytest.approx(share, abs=0.04 if 0 < share < 1 else 0)


@given(bins=st.integers(0, 40), sent=st.lists(st.floats(-50, 50), min_size=1, max_size=60))
def test_latency_delays_by_exactly_its_bins_and_the_first_velocity_holds_until_then(bins, sent):
    perturbed = loop(Perturbation("latency", bins * BIN_S * 1000))
    perturbed.begin_bin()
    arrived = [perturbed.velocity(np.array([each, -each]))[0] for each in sent]
    assert arrived == (sent[:1] * bins + sent)[: len(sent)]


@pytest.mark.parametrize(("latency_ms", "bins"), [(0, 0), (0.5, 1), (20, 1), (21, 2), (50, 3), (140, 7), (9990, 500)])
def test_a_latency_that_is_no_whole_bins_lasts_to_the_end_of_its_last_one(latency_ms, bins):
    late = Perturbation("latency", latency_ms)
    perturbed = loop(late)
    perturbed.begin_bin()
    arrived = [perturbed.velocity(np.array([each, 0]))[0] for each in range(1000)]
    assert arrived == [max(each - bins, 0) for each in range(1000)]
    assert bins_late([late], BIN_S) == bins


def test_each_latency_is_rounded_by_itself_and_other_kinds_add_none():
    assert bins_late(EVERY, BIN_S) == 5
    assert bins_late([Perturbation("latency", 50.0)] * 2, BIN_S) == 6
    assert bins_late([], BIN_S) == 0


def test_what_is_under_way_when_a_latency_begins_is_that_of_its_onset():
    perturbed = loop(Perturbation("latency", 60.0, 0.1))
    arrived = []
    for bin_ in range(12):
        perturbed.begin_bin()
        arrived.append(perturbed.velocity(np.array([bin_, 0]))[0])
    assert arrived == [0, 1, 2, 3, 4, 5, 5, 5, 5, 6, 7, 8]


@given(degrees=st.floats(-180, 180), direction=st.floats(0, 360))
def test_rotation_turns_preferred_directions_clockwise_by_its_angle(degrees, direction):
    perturbed = loop(Perturbation("rotation", degrees))
    perturbed.begin_bin()
    preferred = np.radians(direction - degrees)  # of a unit that preferred `direction` before
    felt = perturbed.intended_velocity(7.0 * np.array([np.cos(preferred), np.sin(preferred)]))
    before = np.radians(direction)
    np.testing.assert_allclose(felt, 7.0 * np.array([np.cos(before), np.sin(before)]), atol=1e-9)


def test_none_depends_on_which_others_there_are_nor_on_their_order():
    counts = np.full(UNITS, 3)
    kinds = {each.kind: each for each in EVERY}
    silent = arriving(loop(kinds["drop"]), counts, 1)[0] == 0
    lost = [each is None for each in arriving(loop(kinds["loss"]), counts, 60)]
    noise = arriving(loop(kinds["noise"]), np.zeros(UNITS, int), 60)
    for order in permutations(("drop", "loss", "latency", "noise"), 4):
        arrived = arriving(loop(*(kinds[each] for each in order)), counts, 60)
        assert [each is None for each in arrived] == lost
        for each, alone in zip(arrived, noise, strict=True):
            if each is not None:
                later = order.index("noise") > order.index("drop")
                expected = np.where(silent, 0, counts) + alone if later else np.where(silent, 0, counts + alone)
                np.testing.assert_array_equal(each, expected)


def test_drift_goes_on_in_lost_bins():
    counts, drift, loss = np.full(UNITS, 10**8), Perturbation("drift", 3.0), Perturbation("loss", 0.5)
    alone = arriving(loop(drift), counts, 500)
    for order in ((drift, loss), (loss, drift)):
        for each, expected in zip(arriving(loop(*order), counts, 500), alone, strict=True):
            if each is not None:
                np.testing.assert_allclose(each, expected, rtol=1e-3)


def test_two_of_a_kind_are_two():
    drop = Perturbation("drop", 0.5)
    arrived = arriving(loop(drop, drop), np.ones(UNITS, int), 1)[0]
    assert arrived.sum() < UNITS // 2
    perturbed = loop(*[Perturbation("latency", 40.0)] * 2)
    perturbed.begin_bin()
    assert [perturbed.velocity(np.array([each, 0]))[0] for each in range(8)] == [0, 0, 0, 0, 0, 1, 2, 3]
