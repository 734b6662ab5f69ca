"""What a session tells over LSL, compared with its record."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from xml.etree import ElementTree

import numpy as np
import pylsl
import pylsl.util
import pytest

from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation
from spikeloop.streamer.closedloop.experiment.plan import Plan
from spikeloop.streamer.closedloop.experiment.record import SessionRecord
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut
from spikeloop.streamer.closedloop.experiment.users import ScriptedUser, SimulatedUser, UserModel
from spikeloop.streamer.closedloop.real_time import outlets as outlets_module
from spikeloop.streamer.closedloop.real_time.outlets import BLOCKS, CURSOR_CHANNELS, SessionOutlets
from tests.support.loop_parts import Mirror, Readout, failing

BIN_S, START_S, UNITS = 0.02, 1000.0, 12
FIT_BINS = 30  # that a fit takes
TASK = CenterOut(timeout_s=1.0, pause_s=0.1)


class Linear:
    """A population of Poisson units in this process, whose bins end when a stream's would."""

    bin_size_s, unit_names = BIN_S, tuple(map(str, range(UNITS)))

    def __init__(self) -> None:
        self._random = np.random.Generator(np.random.Philox(0))
        self._tuning = self._random.normal(0, 0.1, (UNITS, 2))
        self.bins = 0

    @property
    def end_s(self) -> float:
        return START_S + self.bins * BIN_S

    def respond(self, velocity_cm_s, position_cm):
        self.bins += 1
        return self._random.poisson(np.exp(0.3 * self._tuning @ velocity_cm_s)).astype(np.uint8)


class Slow(KalmanDecoder):
    """Bins are skipped while it learns."""

    def __init__(self, population: Linear) -> None:
        super().__init__()
        self._brain = population

    def fit(self, counts, kinematics):
        super().fit(counts, kinematics)
        self._brain.bins += FIT_BINS


def follow(name: str) -> pylsl.StreamInlet:
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=60)[0], recover=False)
    inlet.open_stream(5)
    return inlet


def collect(inlet: pylsl.StreamInlet, samples: list, stamps_s: list[float]) -> None:
    """Until the stream closes."""
    with suppress(pylsl.util.LostError):
        while True:
            sample, stamp_s = inlet.pull_sample(timeout=1.0)
            if stamp_s is not None:
                samples.append(sample)
                stamps_s.append(stamp_s)


@pytest.fixture
def told(stream_name) -> tuple[SessionRecord, tuple[list, list[float]], tuple[list, list[float]]]:
    """The record of a session, and its markers and cursor as they came."""
    population = Linear()
    user = SimulatedUser(UserModel(), TASK.extent_cm, BIN_S, np.random.Generator(np.random.Philox(1)))
    plan = Plan(
        TASK, trials=4, calibration_s=10, recalibrate_after=2, perturbations=(Perturbation("rotation", 30, 0.5),)
    )
    with SessionOutlets(stream_name, BIN_S, lambda: population.end_s) as outlets:
        seen: list[tuple[list, list[float]]] = [([], []), ([], [])]
        collecting = [
            threading.Thread(target=collect, args=(follow(f"{stream_name}{suffix}"), *into))
            for suffix, into in zip(("-Markers", "-Cursor"), seen, strict=True)
        ]
        for each in collecting:
            each.start()
        record = run_session(plan, population, user, Slow(population), [outlets])
    for each in collecting:
        each.join()
    return record, seen[0], seen[1]


def matching(markers: Sequence[dict], **entries: object) -> list[dict]:
    return [each for each in markers if all(each.get(key) == value for key, value in entries.items())]


def test_markers_and_cursor_tell_what_the_record_tells(told):
    record, (texts, marker_stamps_s), (cursor, cursor_stamps_s) = told
    markers = [json.loads(text) for (text,) in texts]
    assert record.failure == ""
    assert [block.name for block in record.blocks] == list(BLOCKS)

    events = [(each["block"], each["bin"], each["trial"], each["event"]) for each in markers if "trial" in each]
    assert events == [(block, event.bin, event.trial, event.kind) for block, event in record.events]
    for trial in record.trials:
        (x, y), width = trial.target.place_cm, trial.target.width_cm
        for each in matching(markers, trial=trial.index):
            assert each["target"] == {"x_cm": x, "y_cm": y, "width_cm": width}
    begins, expected_stamps_s = 0, []
    for block in record.blocks:
        bins = len(block.counts)
        assert [each["bin"] for each in matching(markers, event="block begins", block=block.name)] == [0]
        ends = matching(markers, event="block ends", block=block.name)
        assert [each["bin"] for each in ends] == ([bins - 1] if block.name != "closed loop" else [])
        for each, stamp_s in zip(markers, marker_stamps_s, strict=True):
            if each["block"] == block.name:
                assert stamp_s == pytest.approx(START_S + (begins + each["bin"] + 1) * BIN_S, abs=1e-6)
        expected_stamps_s += [START_S + (begins + each + 1) * BIN_S for each in range(bins)]
        begins += bins + FIT_BINS
    (turned,) = matching(markers, event="perturbation")
    assert (turned["kind"], turned["value"], turned["bin"]) == ("rotation", 30, 25)
    assert markers[-1] == {"event": "session ends", "block": "closed loop", "bin": len(record.blocks[-1].counts) - 1}

    samples = np.array(cursor)
    np.testing.assert_allclose(cursor_stamps_s, expected_stamps_s, rtol=0, atol=1e-6)
    for first, columns in ((0, "position"), (2, "velocity")):
        expected = np.concatenate([getattr(block, columns) for block in record.blocks])
        np.testing.assert_allclose(samples[:, first : first + 2], expected, rtol=1e-6)
    nothing = [[np.nan, np.nan]]  # the last bin of a block ends a trial
    shown = np.concatenate([np.concatenate([block.target[1:], nothing]) for block in record.blocks])
    np.testing.assert_allclose(samples[:, 4:6], shown, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(samples[:, 6]), np.isnan(samples[:, 4]))
    assert set(samples[~np.isnan(samples[:, 6]), 6]) == {np.float32(record.trials[0].target.width_cm)}
    numbers = np.repeat([0, 1, 2], [len(block.counts) for block in record.blocks])
    np.testing.assert_array_equal(samples[:, 7], numbers)


class Collected:
    """An outlet without a network."""

    def __init__(self) -> None:
        self.samples: list[tuple[list, float]] = []

    def push_sample(self, sample, stamp_s) -> None:
        self.samples.append((sample, stamp_s))

    def have_consumers(self) -> bool:
        return False


@pytest.mark.parametrize(("bins", "shown"), [(0, False), (2, False), (30, True), (57, False), (80, True)])
def test_a_lost_trial_is_told_with_the_target_if_it_was_shown_and_without_a_cursor(monkeypatch, bins, shown):
    """Two trials of 5 bins of pause and 50 to the timeout, that fail in a pause or on the way."""
    pushed: dict[str, Collected] = {}
    monkeypatch.setattr(outlets_module, "open_outlet", lambda name, *_, **__: pushed.setdefault(name, Collected()))
    plan = Plan(TASK, trials=2, calibration_s=0)
    decoder = failing(Readout(), "step", bins, FailureError("the wire broke"))
    stamps_s: list[float] = []

    def stamp() -> float:
        stamps_s.append(START_S + len(stamps_s))
        return stamps_s[-1]

    with SessionOutlets("x", BIN_S, stamp) as outlets:
        record = run_session(plan, Mirror(), ScriptedUser(np.zeros((0, 2))), decoder, [outlets])
    assert record.failure == "the wire broke"
    assert [stamp_s for _, stamp_s in pushed["x-Cursor"].samples] == stamps_s[:bins]
    markers = [(json.loads(text), stamp_s) for (text,), stamp_s in pushed["x-Markers"].samples]
    (x, y), width = record.trials[-1].target.place_cm, record.trials[-1].target.width_cm
    lost = {
        "event": "lost",
        "block": "closed loop",
        "bin": bins,
        "trial": record.trials[-1].index,
        "target": {"x_cm": x, "y_cm": y, "width_cm": width} if shown else None,
    }
    assert record.trials[-1].index == bins // 55
    assert markers[-2:] == [
        (lost, stamps_s[bins]),
        ({"event": "session ends", "block": "closed loop", "bin": bins}, stamps_s[bins]),
    ]


def test_a_decoder_elsewhere_can_learn_from_what_is_told(told):
    """The calibration block's velocity is that of its counts, sample by sample."""
    record, _, (cursor, _) = told
    calibration = np.array(cursor)[np.array(cursor)[:, 7] == 0]
    mine, theirs = KalmanDecoder(), KalmanDecoder()
    block = record.blocks[0]
    mine.fit(block.counts, block.velocity)
    theirs.fit(block.counts, calibration[:, 2:4])
    np.testing.assert_allclose(mine.step(block.counts[0]), theirs.step(block.counts[0]), rtol=1e-4)


def test_channels_are_labelled(stream_name):
    with SessionOutlets(stream_name, BIN_S, lambda: 0.0):
        info = follow(f"{stream_name}-Cursor").info(5)
    described = ElementTree.fromstring(info.as_xml()).iterfind("desc/channels/channel")
    assert [(each.findtext("label"), each.findtext("unit")) for each in described] == list(CURSOR_CHANNELS)
    assert (info.type(), info.nominal_srate()) == ("Cursor", 50.0)


@pytest.mark.parametrize("suffix", ["-Markers", "-Cursor"])
def test_a_name_that_is_taken_is_told(stream_name, suffix):
    taken = pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}{suffix}", "x", 1, 0.0, pylsl.cf_float32, stream_name))
    with (
        pytest.raises(BadInputError, match=f"'{stream_name}{suffix}' is already on the network"),
        SessionOutlets(stream_name, BIN_S, lambda: 0.0),
    ):
        pass
    del taken
    assert not pylsl.resolve_byprop("name", f"{stream_name}-Markers", timeout=0.3) or suffix == "-Markers"
