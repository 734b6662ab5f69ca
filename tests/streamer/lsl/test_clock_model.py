"""What is lost of foreign streams, on a simulated clock: of jittered stamps nothing, of missing bins each."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloop.streamer.lsl.clock_model import RESET_S, WAIT_S, ClockModel, Placed

PULL_S = 0.2


def followed(
    clock: ClockModel, stamps_s: np.ndarray, arrivals_s: np.ndarray | None = None, pull_s: float = PULL_S
) -> Placed:
    """Pull at equal intervals what arrived, and a little longer than samples may wait."""
    arrivals_s = stamps_s if arrivals_s is None else arrivals_s
    jumps, lost, resets, taken = [], 0, 0, 0
    now_s = float(arrivals_s[0])
    while taken < len(stamps_s) or now_s < arrivals_s[-1] + 20 * WAIT_S:
        now_s += pull_s
        come = max(taken, int(np.searchsorted(arrivals_s, now_s)))
        placed = clock.place(stamps_s[taken:come], now_s)
        jumps.append(placed.jumps)
        lost, resets, taken = lost + placed.lost_bins, resets + placed.resets, come
    joined = np.concatenate(jumps)
    assert len(joined) == len(stamps_s)
    return Placed(joined, lost, resets)


def grid(samples: int, rate_hz: float = 50.0) -> np.ndarray:
    return 1000 + np.arange(samples) / rate_hz


def bursts(samples: int, rate_hz: float = 50.0, size: int = 5) -> np.ndarray:
    """Samples stamped when their burst arrives, up to 3 ms late."""
    random = np.random.Generator(np.random.Philox(1))
    burst = np.arange(samples) // size
    return 1000 + (burst + 1) * size / rate_hz + random.uniform(0, 0.003, burst[-1] + 1)[burst]


def late(samples: int, rate_hz: float = 31.25) -> np.ndarray:
    return grid(samples, rate_hz) + np.where(np.arange(samples) % 12 == 11, 0.016, 0.0)


def jittered(samples: int, rate_hz: float = 31.3) -> np.ndarray:
    return grid(samples, rate_hz) + np.random.Generator(np.random.Philox(2)).exponential(0.004, samples)


STREAMS = {
    "exact": (grid(3000), 50.0, 50.0),
    "bursts": (bursts(3000), 50.0, 50.0),
    "bursts, joined amid one": (bursts(3000)[3:], 50.0, 50.0),
    "a clock that ticks": (np.ceil(grid(3000, 100.0) / 0.016) * 0.016, 100.0, 100.0),
    "late": (late(3000), 31.25, 31.25),
    "late, the last too": (late(3000)[:-4], 31.25, 31.25),
    "31.3 for 30 Hz": (jittered(3000), 30.0, 31.3),
    "28.5 for 30 Hz, bursts": (bursts(3000, 28.5), 30.0, 28.5),
    "50 for 100 Hz": (jittered(3000, 50.0), 100.0, 50.0),
    "200 for 100 Hz, bursts": (bursts(3000, 200.0), 100.0, 200.0),
    "250 for 100 Hz": (grid(5000, 250.0), 100.0, 250.0),
    "symmetric": (grid(3000, 250.0) + np.random.Generator(np.random.Philox(3)).normal(0, 0.004, 3000), 250.0, 250.0),
    "time of day": (bursts(3000) + 1.7e9, 50.0, 50.0),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_of_jittered_stamps_nothing_is_lost_and_the_true_rate_is_found(kind):
    stamps_s, declared_hz, true_hz = STREAMS[kind]
    clock = ClockModel(1 / declared_hz)
    placed = followed(clock, stamps_s, grid(len(stamps_s), true_hz))
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0], 0, 0)
    interval_hz = clock.rate_interval_hz()
    assert interval_hz is not None
    low_hz, high_hz = interval_hz
    assert clock.rate_hz == pytest.approx(true_hz, rel=1e-3)
    assert low_hz <= true_hz <= high_hz
    assert high_hz - low_hz < 0.01 * true_hz


@pytest.mark.parametrize("lost", [1, 2, 3, 5, 10, 50, 1000])
@pytest.mark.parametrize("stream", [bursts, late, jittered, grid])
def test_bins_that_never_came_are_counted_each(stream, lost):
    rate_hz = {bursts: 50.0, late: 31.25, jittered: 31.3, grid: 50.0}[stream]
    stamps_s = np.delete(stream(5000), np.arange(1502, 1502 + lost))
    placed = followed(ClockModel(1 / rate_hz), stamps_s)
    assert placed.lost_bins == lost
    _, gap = np.flatnonzero(placed.jumps).tolist()
    if stream is bursts:  # where in a burst samples are missing, no stamp says
        assert 1500 <= gap <= 1502
    else:
        assert 1502 <= gap <= 1502 + 3 * rate_hz  # in two seconds what jitter hides is found too
        assert gap == 1502 or lost <= 4


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(400, 1500), st.integers(1, 500)), min_size=1, max_size=4), st.integers(1, 9))
def test_every_loss_is_found_wherever_it_is_and_however_often_one_pulls(losses, pull):
    kept = np.ones(sum(after + lost for after, lost in losses) + 1000, bool)
    place = 0
    for after, lost in losses:
        kept[place + after : place + after + lost] = False
        place += after + lost
    placed = followed(ClockModel(0.02), jittered(len(kept), 50.0)[kept], pull_s=pull * 0.1)
    assert placed.lost_bins == sum(lost for _, lost in losses)
    assert placed.jumps.sum() == 1 + len(losses)


@settings(max_examples=20)
@given(st.integers(1, 60), st.integers(1, 400), st.integers(1000, 1500), st.booleans(), st.integers(0, 99))
def test_of_bursts_of_any_size_each_bin_is_counted_that_never_came(size, lost, at, by_number, seed):
    """The sender sends what it has at equal intervals, or whenever it has so many."""
    numbers = np.delete(np.arange(4000 // size * size), np.arange(at, at + lost))
    burst = np.arange(len(numbers)) // size if by_number else numbers // size
    is_last = np.append(np.diff(burst) > 0, True)
    sent_s = (numbers[is_last] + 1 if by_number else (burst[is_last] + 1) * size) / 50.0
    sent_s += np.random.Generator(np.random.Philox(seed)).uniform(0, 0.008, len(sent_s))
    placed = followed(ClockModel(0.02), 1000 + sent_s[np.cumsum(is_last) - is_last])
    assert (placed.lost_bins, placed.resets) == (lost, 0)


def with_jitter(times_s: np.ndarray, kind: str, random: np.random.Generator) -> np.ndarray:
    """Stamps of samples that are taken at these times."""
    if kind == "normal":
        return times_s + random.normal(0, 0.004, len(times_s))
    if kind == "late":
        return times_s + np.where(random.random(len(times_s)) < 0.05, 0.016, 0.0)
    size = {"exact": 1, "bursts": 5, "long bursts": 50}[kind]
    last = np.minimum(np.arange(len(times_s)) // size * size + size, len(times_s)) - 1
    return times_s[last] + (random.uniform(0, 0.003, len(times_s))[last] if size > 1 else 0.0)


JITTER = ("exact", "normal", "late", "bursts", "long bursts")


@settings(max_examples=20)
@given(st.sampled_from(JITTER), st.floats(-0.06, 0.06), st.integers(1000, 2500), st.integers(0, 99))
def test_a_rate_that_changes_by_percents_loses_nothing_and_is_found(kind, change, at, seed):
    rate_hz = np.where(np.arange(5000) < at, 50.0, 50.0 * (1 + change))
    stamps_s = with_jitter(1000 + np.cumsum(1 / rate_hz), kind, np.random.Generator(np.random.Philox(seed)))
    clock = ClockModel(0.02)
    placed = followed(clock, stamps_s)
    assert (placed.lost_bins, placed.resets) == (0, 0)
    assert clock.rate_hz == pytest.approx(rate_hz[-1], rel=2e-3)


@pytest.mark.parametrize("kind", ["exact", "normal", "bursts"])
@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 75.0, 100.0])
def test_a_device_that_turns_to_another_rate_loses_nothing(rate_hz, kind):
    intervals_s = np.where(np.arange(4000) < 2000, 1 / 50, 1 / rate_hz)
    stamps_s = with_jitter(1000 + np.cumsum(intervals_s), kind, np.random.Generator(np.random.Philox(5)))
    clock = ClockModel(0.02)
    placed = followed(clock, stamps_s)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0], 0, 0)
    assert clock.rate_hz == pytest.approx(rate_hz, rel=1e-3)


@pytest.mark.parametrize("kind", JITTER)
@pytest.mark.parametrize("share", [0.001, 0.005])
def test_bins_that_are_lost_here_and_there_are_no_change_of_the_rate(share, kind):
    random = np.random.Generator(np.random.Philox(6))
    kept = random.random(8000) >= share
    kept[:1000] = True
    kept[7000:] = True
    sent_s = with_jitter(grid(8000), kind, random)
    clock = ClockModel(0.02)
    lost = followed(clock, sent_s[kept]).lost_bins
    assert abs(lost - (~kept).sum()) <= 1 + 0.05 * (~kept).sum()
    assert clock.rate_hz == pytest.approx(50.0, rel=2e-4)


def test_of_exact_stamps_every_tenth_bin_that_is_lost_is_no_change_of_the_rate():
    kept = (np.arange(6000) < 1500) | (np.arange(6000) % 10 > 0)
    clock = ClockModel(0.02)
    assert followed(clock, grid(6000)[kept]).lost_bins == pytest.approx((~kept).sum(), rel=0.05)
    assert clock.rate_hz == pytest.approx(50.0, rel=1e-3)


@pytest.mark.long
def test_a_day_of_jittered_stamps_loses_nothing():
    """At 31.3 Hz for 30, in bursts, with late samples, stalls of up to 3 s, and a clock that drifts by 40 ppm."""
    random = np.random.Generator(np.random.Philox(4))
    clock, lost, gaps, resets = ClockModel(1 / 30), 0, 0, 0
    hours, samples = 24, round(3600 * 31.3)
    for hour in range(hours):
        numbers = np.arange(hour * samples, (hour + 1) * samples)
        burst = numbers // 3
        day_s = (burst + 1) * 3 / 31.3
        stamps_s = day_s + 4e-5 * 86_400 / (2 * np.pi) * np.sin(2 * np.pi * day_s / 86_400)
        stamps_s += random.exponential(0.003, len(numbers))
        stamps_s += np.where(random.random(len(numbers)) < 0.05, 0.016, 0.0)
        for begin in random.integers(0, samples - 200, 20):  # a stall: what waited comes at once
            stall = slice(begin, begin + random.integers(5, 94))
            stamps_s[stall] = np.maximum(stamps_s[stall], stamps_s[stall.stop])
        for part in np.array_split(stamps_s, 900):
            placed = clock.place(part, float(part[-1]))
            lost, gaps, resets = lost + placed.lost_bins, gaps + int(placed.jumps.sum()), resets + placed.resets
        assert (lost, gaps, resets) == (0, 1, 0), f"in hour {hour}"
    assert clock.rate_hz == pytest.approx(31.3, rel=1e-4)


@pytest.mark.parametrize("jump_s", [200_000.0, -5000.0, -3.0])
def test_a_jump_for_good_by_more_than_passed_is_a_clock_reset(jump_s):
    stamps_s = bursts(3000)
    arrivals_s = stamps_s.copy()
    stamps_s[1500:] += jump_s
    placed = followed(ClockModel(0.02), stamps_s, arrivals_s)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0, 1500], 0, 1)


def test_a_long_silence_is_a_loss_and_no_reset():
    stamps_s = bursts(3000)
    stamps_s[1500:] += 2 * RESET_S
    placed = followed(ClockModel(0.02), stamps_s)
    assert (placed.lost_bins, placed.resets) == (2 * RESET_S * 50, 0)


def test_what_was_late_for_long_is_no_longer_counted_as_lost_when_it_comes_back():
    stamps_s = jittered(3000, 50.0)
    stamps_s[1000:1200] += 0.5
    clock = ClockModel(0.02)
    assert followed(clock, stamps_s[:1150]).lost_bins == 25
    assert followed(clock, stamps_s[1150:]).lost_bins == -25


@pytest.mark.parametrize(
    ("stray", "place"), [*itertools.product([0.0, 1e9, np.nan, np.inf], [1, 700]), (np.nan, 0), (np.inf, 0)]
)
def test_a_single_wrong_stamp_loses_nothing(stray, place):
    stamps_s = jittered(1500)
    arrivals_s = stamps_s.copy()
    stamps_s[place] = stray
    placed = followed(ClockModel(1 / 31.3), stamps_s, arrivals_s)
    assert (placed.lost_bins, placed.resets, int(placed.jumps.sum())) == (0, 0, 1)


def test_stamps_that_are_all_no_times_wait_for_nothing():
    clock = ClockModel(0.02)
    assert len(clock.place(np.full(10, np.nan), 0.0).jumps) == 10
    assert clock.rate_interval_hz() is None


def test_what_waits_comes_out_in_two_seconds_or_when_the_stream_ends():
    stamps_s = grid(1000)
    clock = ClockModel(0.02)
    followed(clock, stamps_s[:500])
    now_s = float(stamps_s[500])
    assert len(clock.place(stamps_s[600:610], now_s).jumps) == 0
    assert len(clock.place(np.empty(0), now_s + WAIT_S - 0.1).jumps) == 0
    placed = clock.place(np.empty(0), now_s + WAIT_S)
    assert (placed.jumps.tolist(), placed.lost_bins) == ([True] + 9 * [False], 100)
    assert len(clock.place(stamps_s[800:805], now_s + 4).jumps) == 0
    assert len(clock.flush().jumps) == 5


def test_the_rate_is_unknown_until_means_are_known():
    clock = ClockModel(0.02)
    stamps_s = bursts(1000)
    known = [clock.place(part, float(part[-1])) and clock.rate_interval_hz() for part in np.array_split(stamps_s, 100)]
    first = next(place for place, interval_hz in enumerate(known) if interval_hz)
    assert 2.0 < stamps_s[10 * first] - stamps_s[0] < 6.0
    widths_hz = [high_hz - low_hz for low_hz, high_hz in filter(None, known)]
    assert all(later <= 1.1 * before for before, later in itertools.pairwise(widths_hz))


@pytest.mark.parametrize("kind", ["normal", "bursts"])
def test_the_interval_holds_the_true_rate_about_as_often_as_it_says(kind):
    held = 0
    for seed in range(60):
        random = np.random.Generator(np.random.Philox(seed))
        numbers = np.arange(300) // 5 * 5 if kind == "bursts" else np.arange(300)
        clock = ClockModel(1 / 30)
        stamps_s = 1000 + numbers / 31.3 + random.normal(0, 0.004, 300)
        for part in np.array_split(stamps_s, 10):
            clock.place(part, float(part[-1]))
        interval_hz = clock.rate_interval_hz()
        assert interval_hz is not None
        held += interval_hz[0] <= 31.3 <= interval_hz[1]
    assert held >= 52


@pytest.mark.parametrize("stream", [bursts, jittered, grid])
def test_stamps_that_jump_back_and_forth_break_the_stream_once(stream):
    """Where they return to a line that was left, each sample follows the one before."""
    stamps_s = stream(3000, 50.0)
    arrivals_s = stamps_s.copy()
    stamps_s += 1e9 * (np.arange(3000) // 100 % 2)
    placed = followed(ClockModel(0.02), stamps_s, arrivals_s)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0, 100], 0, 29)


def test_a_jump_back_that_misses_bins_breaks_the_stream():
    stamps_s = grid(1500)
    arrivals_s = stamps_s.copy()
    stamps_s[500:1000] += 1e9
    stamps_s[1000:] += 0.2
    placed = followed(ClockModel(0.02), stamps_s, arrivals_s)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0, 500, 1000], 0, 2)


@pytest.mark.parametrize("first", [0, 700])
def test_samples_whose_stamps_stand_still_are_placed_by_their_number(first):
    arrivals_s = grid(3000)
    stamps_s = arrivals_s.copy()
    stamps_s[first:2000] = stamps_s[first]
    clock = ClockModel(0.02)
    placed = followed(clock, stamps_s, arrivals_s)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0], 0, 0)
    assert clock.rate_hz == pytest.approx(50.0, rel=1e-3)


@pytest.mark.parametrize("every", [1, 20])
def test_samples_without_stamps_are_placed_by_their_number_for_hours(every):
    stamps_s = grid(500_000)
    stamps_s[1000:-1000:every] = np.nan
    clock = ClockModel(0.02)
    placed = followed(clock, stamps_s, grid(500_000), pull_s=60.0)
    assert (np.flatnonzero(placed.jumps).tolist(), placed.lost_bins, placed.resets) == ([0], 0, 0)
