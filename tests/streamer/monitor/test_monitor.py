"""Whole sessions on a simulated clock, with a script in LSL's place."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from spikeloop.exporters.bundle import Bundle, load_bundle
from spikeloop.exporters.formats.write import write_recording
from spikeloop.models.errors import BadInputError
from spikeloop.models.measures.similarity import distance, statistics_of
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.opening import open_feed
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import LslSpikes, Reception
from spikeloop.streamer.monitor import reference, subject
from spikeloop.streamer.monitor.figures import figures
from spikeloop.streamer.monitor.monitor import MonitorSession
from spikeloop.streamer.monitor.outputs.document import monitor_document
from spikeloop.streamer.monitor.outputs.terminal import line
from spikeloop.streamer.monitor.report import MonitorReport
from spikeloop.streamer.monitor.subject import MonitorSettings
from spikeloop.streamer.stream.source import open_source
from tests.support.monitored import simulate
from tests.support.tiny import tiny_bundle, tiny_stream_bundle
from tests.support.unequal import unequal

UNITS, BIN_SIZE_S, STEP_BINS = 32, 0.02, 50  # as many units as a window has bins, as tiny bundles' references are
CHANNELS = (Condition("x", "cm/s", -1.0, 1.0),)
PREPARED_WITHIN_S = 30.0


class Script:
    """In the place of `LslSpikes`: gives what it is told to, a step at a time."""

    def __init__(self, description: StreamDescription | None = None) -> None:
        self.description = description
        self.ends_s = 0.0
        self.segments: tuple[Segment, ...] = ()
        self._reception = Reception("live")

    def judge(self, **found: Any) -> None:
        self._reception = replace(self._reception, **found)

    def send(self, counts: np.ndarray, follows: bool = True) -> None:
        bin_size_s = self.described.bin_size_s
        ends_s = self.ends_s + bin_size_s * np.arange(1, len(counts) + 1, dtype=np.float64)
        self.segments = (*self.segments, Segment(counts, ends_s, follows))
        self.ends_s = float(ends_s[-1])

    @property
    def described(self) -> StreamDescription:
        assert self.description is not None
        return self.description

    def restart(self, **told: object) -> None:
        self.description = replace(self.described, uid=f"{self.described.uid}'", **told)
        self._reception = replace(self._reception, restarts=self._reception.restarts + 1)
        self.ends_s += 10.0

    def pull(self) -> tuple[Segment, ...]:
        taken, self.segments = self.segments, ()
        bins = sum(len(each.counts) for each in taken)
        self._reception = replace(self._reception, bins=self._reception.bins + bins)
        return taken

    def report(self) -> Reception:
        return self._reception


def foreign(units: int = UNITS, bin_size_s: float = BIN_SIZE_S) -> StreamDescription:
    return StreamDescription("amplifier", "EEG", tuple(f"unit {i}" for i in range(units)), bin_size_s, "host", "uid")


def stream_of(bundle: Bundle, condition: str = "") -> StreamDescription:
    card = bundle.card
    told = StreamDescription("spikeloop", "Spikes", card.unit_names, card.bin_size_s, "host", "uid")
    return replace(told, bundle=card.name, sha256=bundle.sha256, seed=0, step_bins=20, start_s=0.0, condition=condition)


Watch = Callable[..., tuple[Script, MonitorSession]]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A session on a script; of the default settings but for what is given."""
    opened: list[MonitorSession] = []

    def open_session(description: StreamDescription | None, **settings: Any) -> tuple[Script, MonitorSession]:
        script = Script(description)
        clock = itertools.count()
        made = MonitorSession(
            cast(LslSpikes, script), MonitorSettings(**settings), lambda: float(next(clock)), lambda: 0.0
        )
        opened.append(made.__enter__())
        return script, made

    yield open_session
    for each in opened:
        each.__exit__()
    names = [each.name for each in threading.enumerate()]
    assert not {"spikeloop-importance", "spikeloop-condition-tap"} & set(names)


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    monkeypatch.setattr(reference, "SAMPLE_S", 0.0)
    monkeypatch.setattr(reference, "SAMPLE_BINS", 3_200)


@pytest.fixture
def tiny_path(tmp_path: Path) -> Path:
    tiny_bundle(tmp_path / "tiny", units=UNITS, bin_size_s=BIN_SIZE_S)
    return tmp_path / "tiny"


def feed(script: Script, made: MonitorSession, counts: np.ndarray, begins: bool = False) -> None:
    """Step by step, the first of them after a gap where it begins."""
    for first in range(0, len(counts), STEP_BINS):
        script.send(counts[first : first + STEP_BINS], follows=not (begins and first == 0))
        made.step()


def reported(made: MonitorSession) -> MonitorReport:
    report = made.report()
    assert report is not None
    return report


def prepared(made: MonitorSession) -> MonitorReport:
    """The report once nothing is being prepared."""
    end_s = time.monotonic() + PREPARED_WITHIN_S
    while True:
        made.step()
        report = reported(made)
        if not any("being prepared" in each for each in report.notices):
            return report
        assert time.monotonic() < end_s, report.notices
        time.sleep(0.005)


def told(report: MonitorReport) -> str:
    return "; ".join(report.notices)


def test_before_the_stream_is_found_there_is_no_report(watch):
    script, made = watch(None)
    made.step()
    assert made.report() is None
    script.description = foreign()
    made.step()
    assert reported(made).state.bins == 0
    assert np.isnan(figures(reported(made))["mean_rate_hz"])


def test_statistics_are_those_of_the_windows_between_gaps_and_restarts(watch):
    script, made = watch(foreign(), reference="none", window_bins=16)
    counts = simulate(UNITS, 1_000, seed=1)
    feed(script, made, counts[:410], begins=True)
    feed(script, made, counts[410:700], begins=True)
    script.restart()
    feed(script, made, counts[700:], begins=True)
    report = reported(made)
    runs = [counts[:410], counts[410:700], counts[700:]]
    windows = np.concatenate([run[: len(run) // 16 * 16].reshape(-1, 16, UNITS) for run in runs])
    expected = statistics_of(windows)
    for name in report.state.total.keys() & expected.keys():
        assert distance(name, report.state.total[name], expected[name]) < 1e-9, name
    assert (report.state.windows, report.state.dropped_bins) == (len(windows), 410 % 16 + 290 % 16)
    assert (report.reception.bins, report.reception.restarts) == (1_000, 1)
    assert report.stream.uid == "uid'"
    assert (report.reference, report.notices, report.importance) == ("", (), None)


@pytest.mark.parametrize(
    ("bin_size_s", "asked", "expected"), [(0.02, None, 50), (0.0001, None, 1000), (5.0, None, 2), (0.02, 7, 7)]
)
def test_windows_of_a_stream_without_a_bundle_are_of_a_second(watch, bin_size_s, asked, expected):
    _, made = watch(foreign(bin_size_s=bin_size_s), window_bins=asked)
    made.step()
    assert reported(made).window_bins == expected


def test_a_bundle_that_ships_is_found_by_name_and_hash(watch):
    retina = load_bundle("retina")
    script, made = watch(stream_of(retina), importance=False)
    counts = open_source(retina, 5, "cpu").next(2_000, np.zeros((2_000, 0), np.float32))
    feed(script, made, counts, begins=True)
    report = prepared(made)
    assert report.reference.startswith("retina, trained on")
    assert report.window_bins == retina.card.window_bins
    np.testing.assert_array_equal(report.reference_statistics["covariance"], retina.reference["covariance"])
    assert {each.statistic for each in report.state.total_deviations} >= {"rates", "covariance", "fano_factor"}
    assert "no alarm: drift alarm: expected a sample of at least" in told(report)  # of so short a sample


def test_another_bundle_under_a_shipped_name_is_told_and_compared_with_its_beginning(watch):
    description = replace(stream_of(load_bundle("retina")), sha256="0" * 64)
    script, made = watch(description, baseline_s=0.5)
    feed(script, made, simulate(50, 1_500, seed=1), begins=True)
    report = prepared(made)
    assert "the stream's bundle 'retina' is not the one that ships; give --bundle PATH" in report.notices
    assert report.reference == "the stream's first 1 s"  # what was there when half a second had passed


def test_a_bundle_that_is_not_at_hand_is_told(watch, tiny_path):
    _, made = watch(stream_of(load_bundle(str(tiny_path))), reference="bundle")
    made.step()
    assert "the stream's bundle 'tiny' is not at hand; give --bundle PATH" in reported(made).notices
    assert "no reference: the stream has no bundle at hand" in reported(made).notices


def test_a_given_bundle_is_read_once_at_the_start(watch, tiny_path):
    bundle = load_bundle(str(tiny_path))
    script, made = watch(None, bundle=str(tiny_path))
    (tiny_path / "card.json").unlink()
    script.description = stream_of(bundle)
    made.step()
    assert prepared(made).reference.startswith("tiny, trained on")


def test_a_given_bundle_other_than_the_streams_is_told(watch, tiny_path):
    _, made = watch(replace(stream_of(load_bundle(str(tiny_path))), sha256="1" * 64), bundle=str(tiny_path))
    made.step()
    assert "the stream's bundle 'tiny' is not the one of --bundle" in reported(made).notices


@pytest.mark.parametrize(
    ("description", "why"),
    [
        (foreign(units=5), "tiny has 32 units, the stream 5: not compared"),
        (foreign(bin_size_s=0.01), "tiny has bins of 20 ms, the stream of 10 ms: not compared"),
    ],
)
def test_a_bundle_of_other_units_or_bins_is_not_compared_with(watch, tiny_path, description, why):
    _, made = watch(description, bundle=str(tiny_path))
    made.step()
    assert why in reported(made).notices
    assert reported(made).reference == ""


def test_a_foreign_stream_may_be_compared_with_a_bundle(watch, tiny_path):
    script, made = watch(foreign(), bundle=str(tiny_path))
    feed(script, made, simulate(UNITS, 500, seed=1), begins=True)
    report = prepared(made)
    assert report.reference.startswith("tiny, trained on")
    assert report.window_bins == 32
    assert report.state.total_deviations


@pytest.mark.parametrize("option", [{"bundle": "absent"}, {"reference": "absent"}])
def test_what_can_not_be_read_is_told_at_once(option):
    with (
        pytest.raises(BadInputError, match="absent"),
        MonitorSession(cast(LslSpikes, Script()), MonitorSettings(**option)),
    ):
        pass


def test_the_streams_beginning_is_what_it_is_compared_with(watch):
    """From its end on: a unit that falls silent afterwards is told."""
    script, made = watch(foreign(), baseline_s=400.0, half_life_s=20.0, window_bins=32)
    counts = simulate(UNITS, 30_000, seed=1)
    feed(script, made, counts[:10_000], begins=True)
    assert "the stream's beginning is collected to compare with: 200 s to go" in told(reported(made))
    feed(script, made, counts[10_000:20_050])
    report = prepared(made)
    assert report.reference == "the stream's first 400 s"
    assert report.notices == ()
    np.testing.assert_allclose(report.reference_statistics["rates"], counts[:20_000].mean(axis=0), rtol=1e-2)
    assert report.state.alarms_raised == 0
    harmed = counts[20_050:].copy()
    harmed[:, 2] = 0
    feed(script, made, harmed)
    report = reported(made)
    assert str(report.state.alarms[0]) == "unit lost: unit 2"
    assert max(each.ratio for each in report.state.recent_deviations) > 2
    assert figures(report)["alarms"] == report.state.alarms_raised
    assert max(each.alarm_score for each in report.course[-2:]) >= 0


def test_of_a_stream_without_counts_no_beginning_is_said_to_be_collected(watch):
    script, made = watch(foreign())
    made.step()
    assert "600 s to go" in told(reported(made))
    script.judge(no_counts=True, invalid_bins=500, warnings=("no whole counts: look like a voltage",))
    made.step()
    report = reported(made)
    assert "to go" not in told(report)
    assert "the stream's beginning is collected once it has whole counts" in told(report)
    assert "to go" not in line(report)
    assert "no whole counts" in line(report)
    script.judge(no_counts=False)
    feed(script, made, simulate(UNITS, 100, seed=1), begins=True)
    assert "598 s to go" in told(reported(made))


def test_the_status_line_says_why_there_is_no_ratio(watch, tiny_path, monkeypatch):
    script, made = watch(foreign())
    feed(script, made, simulate(UNITS, 100, seed=1), begins=True)
    assert "E/F - (its beginning is collected: 598 s to go)" in line(reported(made))
    script, made = watch(foreign(), reference="none")
    feed(script, made, simulate(UNITS, 100, seed=1), begins=True)
    assert "E/F - (no reference)" in line(reported(made))
    release = threading.Event()

    def slow(*_: object, **__: object) -> None:
        release.wait(PREPARED_WITHIN_S)
        raise MemoryError("no room")

    monkeypatch.setattr(subject, "refer_to_bundle", slow)
    script, made = watch(foreign(), bundle=str(tiny_path))
    feed(script, made, simulate(UNITS, 320, seed=1), begins=True)
    assert "E/F - (the reference is being prepared)" in line(reported(made))
    release.set()
    assert "E/F - (no reference: no room)" in line(prepared(made))


def test_a_short_beginning_gives_statistics_but_no_alarm_and_says_why(watch):
    script, made = watch(foreign(), reference="start", baseline_s=20.0)
    feed(script, made, simulate(UNITS, 2_000, seed=1), begins=True)
    report = prepared(made)
    assert report.reference == "the stream's first 20 s"
    assert "no alarm: drift alarm: expected a sample of at least" in told(report)
    assert report.state.total_deviations
    assert report.state.alarm_scores == {}
    assert np.isnan(report.alarm_score)


def test_a_recording_may_be_what_it_is_compared_with(watch, tmp_path):
    counts = simulate(UNITS, 6_400, seed=9)
    np.savez(tmp_path / "recorded.npz", spikes=counts, bin_size_s=BIN_SIZE_S)
    path = tmp_path / "recorded.npz"
    script, made = watch(foreign(), reference=str(path), window_bins=32)
    feed(script, made, simulate(UNITS, 1_000, seed=1), begins=True)
    report = prepared(made)
    assert "recorded" in report.reference
    np.testing.assert_allclose(report.reference_statistics["rates"], counts.mean(axis=0))
    _, made = watch(foreign(units=5), reference=str(path))
    made.step()
    assert "expected 5 units and bins of 20 ms, as streamed, found 32 and 20 ms" in told(prepared(made))


def test_a_recording_in_trials_of_unequal_length_is_compared_with_by_its_recorded_bins(watch, tmp_path):
    recording = unequal([40, 97, 20, 64] * 20, UNITS)
    write_recording(recording, tmp_path / "trials.npz")
    script, made = watch(foreign(), reference=str(tmp_path / "trials.npz"), window_bins=32)
    feed(script, made, simulate(UNITS, 1_000, seed=1), begins=True)
    windows = [counts[at : at + 32] for counts in recording.counts for at in (0, 32, 64)]
    kept = [bins >= at + 32 for bins in recording.bins_of_repeats for at in (0, 32, 64)]
    expected = np.concatenate([window for window, whole in zip(windows, kept, strict=True) if whole])
    np.testing.assert_allclose(prepared(made).reference_statistics["rates"], expected.mean(axis=0))


def test_after_a_restart_with_the_same_bundle_everything_goes_on(watch, tiny_path):
    bundle = load_bundle(str(tiny_path))
    script, made = watch(stream_of(bundle), bundle=str(tiny_path))
    feed(script, made, simulate(UNITS, 1_000, seed=1), begins=True)
    before = prepared(made)
    script.restart(seed=7)
    feed(script, made, simulate(UNITS, 640, seed=2), begins=True)
    after = reported(made)
    assert after.state.bins == 1_640
    assert after.state.windows == before.state.windows + 20
    assert after.reference == before.reference
    assert not any("being prepared" in each for each in after.notices)
    assert (after.stream.seed, after.reception.restarts) == (7, 1)


@pytest.mark.parametrize("other", [{"sha256": "2" * 64}, {"condition": "constant:1"}])
def test_after_a_restart_with_another_bundle_or_drive_statistics_begin_anew(watch, tiny_path, other):
    script, made = watch(stream_of(load_bundle(str(tiny_path))), bundle=str(tiny_path))
    feed(script, made, simulate(UNITS, 1_000, seed=1), begins=True)
    script.restart(**other)
    counts = simulate(UNITS, 640, seed=2)
    feed(script, made, counts, begins=True)
    report = reported(made)
    assert (report.state.bins, report.state.windows) == (640, 20)
    np.testing.assert_allclose(report.state.total["rates"], counts.mean(axis=0))
    assert report.reception.bins == 1_640


@pytest.mark.parametrize("condition", ["file:hand.npz", "lsl:hand"])
def test_a_stream_whose_condition_is_not_known_ahead_is_compared_with_its_beginning(watch, tmp_path, condition):
    bundle = tiny_stream_bundle(tmp_path / "driven", UNITS, CHANNELS, bin_size_s=BIN_SIZE_S)
    script, made = watch(stream_of(bundle, condition), bundle=str(tmp_path / "driven"), baseline_s=400.0)
    made.step()
    report = prepared(made)
    assert "no alarm: what drives the stream is not known ahead, so no sample can be generated" in told(report)
    assert "the stream's beginning is collected to compare with: 400 s to go" in report.notices
    assert report.reference.startswith("tiny, trained on")
    counts = open_source(bundle, 3, "cpu").next(20_500, open_feed("rest", CHANNELS).next(20_500))
    feed(script, made, counts, begins=True)
    report = prepared(made)
    assert report.notices == ()
    assert report.reference.startswith("tiny, trained on")
    np.testing.assert_array_equal(report.reference_statistics["covariance"], bundle.reference["covariance"])
    assert report.state.alarm_scores
    assert report.state.total_deviations


def test_importance_comes_from_the_bundles_critic(watch):
    retina = load_bundle("retina")
    script, made = watch(stream_of(retina), reference="none")
    script.send(open_source(retina, 5, "cpu").next(96, np.zeros((96, 0), np.float32)), follows=False)
    made.step()
    end_s = time.monotonic() + PREPARED_WITHIN_S
    while (importance := reported(made).importance) is None or importance.maps < 3:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    assert importance.mean > 0
    document = monitor_document(reported(made))
    assert document["importance"]["maps"] == 3
    assert len(document["units"]["importance"]) == 50


def test_a_critic_that_can_not_be_had_is_told_and_the_statistics_go_on(watch, monkeypatch):
    def broken(*_: object) -> None:
        raise BadInputError("no such critic")

    monkeypatch.setattr(subject, "Critic", broken)
    script, made = watch(stream_of(load_bundle("retina")), reference="none")
    feed(script, made, simulate(50, 320, seed=1), begins=True)
    assert reported(made).notices == ("no importance: no such critic",)
    assert reported(made).state.windows == 10


def test_a_reference_that_fails_in_any_way_is_told_and_the_statistics_go_on(watch, tiny_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(subject, "refer_to_bundle", broken)
    script, made = watch(foreign(), bundle=str(tiny_path))
    feed(script, made, simulate(UNITS, 320, seed=1), begins=True)
    assert prepared(made).notices == ("no reference: no room",)
    assert reported(made).state.windows == 10


def test_a_session_ends_at_once_while_it_generates_its_sample(tiny_path, monkeypatch):
    monkeypatch.setattr(reference, "SAMPLE_BINS", 2**26)
    script = Script(stream_of(load_bundle(str(tiny_path))))
    with MonitorSession(cast(LslSpikes, script), MonitorSettings(bundle=str(tiny_path))) as made:
        made.step()
        time.sleep(0.1)
        assert "the reference and its alarm are being prepared" in reported(made).notices
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 60  # the whole sample takes far longer
    assert "spikeloop-reference" not in [each.name for each in threading.enumerate()]


def test_the_course_is_of_the_time_before_and_the_clock(watch):
    script, made = watch(foreign(), reference="none")
    for _ in range(3):
        feed(script, made, simulate(UNITS, 100, seed=1))
        reported(made)
    course = reported(made).course
    assert [each.at_s for each in course] == [1.0, 2.0, 3.0, 4.0]
    assert course[-1].mean_rate_hz == pytest.approx(reported(made).mean_rate_hz)
