"""Streams in the background of a program, and in a caller's own event loop."""

import asyncio
import gc
import itertools
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pylsl
import pytest

import spikeloop
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.launch.stream import PreparedStream
from spikeloop.streamer.stream.source import open_source
from tests.support.bad_values import NO_NUMBER, NO_TEXT, NO_WHOLE_NUMBER, Opaque
from tests.support.places import REPOSITORY
from tests.support.shown import shown

APPEARS_S, ENDS_S = 20.0, 30.0
CONSUMER = REPOSITORY / "tests" / "support" / "lsl_consumer.py"


def gone(name: str) -> bool:
    return not pylsl.resolve_byprop("name", name, timeout=0.3)


def receive(name: str, bins: int) -> np.ndarray:
    """The first counts, (bins, units), that a consumer in this process gets."""
    (info, *_) = pylsl.resolve_byprop("name", name, timeout=APPEARS_S)
    inlet = pylsl.StreamInlet(info, recover=False)
    got = [np.array(inlet.pull_sample(timeout=APPEARS_S)[0]) for _ in range(bins)]
    inlet.close_stream()
    return np.array(got)


def wait_until(condition, within_s: float = ENDS_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_consumer_in_another_process_gets_every_bin_of_a_background_stream(bundle, stream_name, tmp_path):
    out = tmp_path / "got.npz"
    consumer = subprocess.Popen([sys.executable, CONSUMER, stream_name, "20", out], stdout=subprocess.PIPE, text=True)
    with spikeloop.stream(bundle, stream_name, seed=3, duration_s=2, start_delay_s=8, device="cpu") as stream:
        assert stream.running
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "connected\n"
        assert stream.wait(ENDS_S)
    assert not stream.running
    consumer.communicate(timeout=ENDS_S)
    with np.load(out) as got:
        np.testing.assert_array_equal(got["samples"], open_source(bundle, 3, "cpu").next(2000))
    report = stream.report
    assert (report.name, report.seed, report.health.bins, report.health.steps) == (stream_name, 3, 2000, 100)
    assert report.health == stream.health
    assert report.to_dict()["bins"] == 2000
    assert "2000 bins in 100 steps" in shown(report)
    assert f"{stream_name}: tiny, seed 3" in report._repr_html_()
    assert gone(stream_name)


def test_two_streams_of_one_process_run_beside_each_other_and_leave_the_interpreter_as_it_was(bundle, stream_name):
    before = sys.getswitchinterval(), gc.get_freeze_count() > 0, gc.isenabled()
    names = f"{stream_name}-a", f"{stream_name}-b"
    with spikeloop.stream(bundle, names[0]) as first, spikeloop.stream(bundle, names[1], seed=1) as second:
        got = [receive(name, 20) for name in names]
        assert [part.shape for part in got] == [(20, 96)] * 2
        wait_until(lambda: first.health.bins > 100 and second.health.bins > 100)
    assert (sys.getswitchinterval(), gc.get_freeze_count() > 0, gc.isenabled()) == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("spikeloop")]
    assert all(map(gone, names))


async def test_a_background_stream_works_where_an_event_loop_is_running_already(bundle, stream_name):
    with spikeloop.stream(bundle, stream_name, duration_s=0.2) as stream:
        assert stream.wait(ENDS_S)
    assert stream.report.health.bins == 200


def test_gain_pause_stimulation_and_perturbations_act_as_over_mqtt_and_are_marked(bundle, stream_name):
    with spikeloop.stream(bundle, stream_name, start_delay_s=1) as stream:
        (info, *_) = pylsl.resolve_byprop("name", f"{stream_name}-Markers", timeout=APPEARS_S)
        markers = pylsl.StreamInlet(info, recover=False)
        markers.open_stream(APPEARS_S)
        wait_until(lambda: stream.health.bins > 0)
        stream.set_gain(0.5)
        stream.pause()
        stream.resume()
        stream.stimulate([3, np.int64(5)], amplitude_ua=40.0, pulses=2)
        stream.stimulate(np.array([1, 2]), pulses=np.int64(2))  # pyright: ignore[reportArgumentType]
        stream.perturb("drop", units=np.array([7, 3]))  # pyright: ignore[reportArgumentType]
        stream.perturb("noise", np.float32(2))  # pyright: ignore[reportArgumentType]
        marked = [json.loads((markers.pull_sample(timeout=APPEARS_S)[0] or [""])[0]) for _ in range(7)]
        for options, message in (
            ({"units": [96]}, "units: expected 0 to 95"),
            ({"units": [0.5]}, "units: expected .* whole numbers"),
            ({"units": [True]}, "units: expected .* whole numbers"),
            ({"units": np.array([1.0, np.nan])}, "units: expected .* whole numbers"),
            ({"units": np.array([[1, 2]])}, "units: expected .* whole numbers"),
            ({"units": np.array([], int)}, "units: expected one or more"),
            ({"units": 3}, "units: expected .* whole numbers"),
            ({"units": "some"}, "units: expected .* whole numbers"),
            ({"pulses": 1.5}, "pulses: expected a whole number from 1 to 1000, found 1.5"),
            ({"pulses": True}, "pulses: expected a whole number from 1 to 1000, found True"),
            ({"amplitude_ua": 1000.0}, "amplitude_ua: expected 0 to 200"),
        ):
            with pytest.raises(BadInputError, match=message):
                stream.stimulate(**options)  # pyright: ignore[reportArgumentType]
        for value in (11, None, float("nan"), *NO_NUMBER):
            with pytest.raises(BadInputError, match="gain: expected 0 to 10"):
                stream.set_gain(value)  # pyright: ignore[reportArgumentType]
        for name in ("amplitude_ua", "pulses", "rate_hz", "pulse_width_us"):
            for value in (None, -1, float("nan"), *NO_NUMBER):
                with pytest.raises(BadInputError, match=f"{name}: expected"):
                    stream.stimulate(**{name: value})  # pyright: ignore[reportArgumentType]
        for kind, options, message in (
            ("noise", {"value": "3"}, "noise: expected 0 to 1000 Hz"),
            ("rotation", {"value": 3}, "perturbation: expected"),
            (np.array([1, 2]), {"value": 3}, "perturbation: expected"),
            ("drop", {"units": [96]}, "drop: unit: expected a whole number from 0 to 95, found 96"),
            ("drop", {"units": "all"}, "units: expected whole numbers"),
            ("drop", {}, "drop: expected a share of the units or a list"),
        ):
            with pytest.raises(BadInputError, match=message):
                stream.perturb(kind, **options)  # pyright: ignore[reportArgumentType]
        for value in ("3", float("nan"), [1.0]):
            with pytest.raises(BadInputError, match="timeout_s: expected"):
                stream.wait(value)  # pyright: ignore[reportArgumentType]
        stream.set_gain(np.float32(0.5))  # pyright: ignore[reportArgumentType]
    assert [marker["event"] for marker in marked] == [
        "gain", "pause", "resume", "stimulate", "stimulate", "perturb", "perturb",
    ]  # fmt: skip
    assert (marked[0]["value"], marked[3]["units"], marked[3]["pulses"]) == (0.5, [3, 5], 2)
    assert (marked[4]["units"], marked[4]["pulses"]) == ([1, 2], 2)
    assert (marked[5]["kind"], marked[5]["units"]) == ("drop", [3, 7])
    assert (marked[6]["kind"], marked[6]["value"]) == ("noise", 2.0)


def test_a_stream_without_controls_has_no_markers_and_says_how_to_get_them(bundle, stream_name):
    with spikeloop.stream(bundle, stream_name, controls=False) as stream:
        with pytest.raises(BadInputError, match="controls=True"):
            stream.pause()
        assert gone(f"{stream_name}-Markers")


def test_start_and_stop_do_without_a_context(bundle, stream_name):
    stream = spikeloop.stream(bundle, stream_name)
    for early in (lambda: stream.report, stream.pause):
        with pytest.raises(BadInputError, match="the stream has not begun"):
            early()
    assert not stream.wait(0)
    assert stream.start() is stream
    with pytest.raises(BadInputError, match="started before"):
        stream.start()
    assert not stream.wait(0.05)
    stream.stop()
    assert stream.wait()
    assert gone(stream_name)


BAD = [
    ({"step_bins": 0}, "--step-bins: expected 1 to 10000 bins"),
    ({"step_bins": 1.5}, "--step-bins: expected 1 to 10000 bins .* found 1.5"),
    ({"duration_s": float("nan")}, "--duration: expected at least one bin"),
    ({"seed": "one"}, "--seed: expected a whole number .* found 'one'"),
    ({"start_delay_s": -1}, "--start-delay: expected 0 to 3600 s, found -1"),
    ({"device": "gpu"}, "--device: expected auto, cpu or cuda, found 'gpu'"),
    ({"count_format": "int32"}, "--format: expected float32, int16 or int8"),
    ({"probe": "shank", "broadband": True}, "--probe: "),
    ({"condition": [1.0]}, "expected a model that is driven by conditions"),
    ({"condition": "mqtt"}, "expected a broker that brings it"),
    ({"condition_hold_s": -1}, "--condition-hold: expected 0 to 3600 s"),
    ({"mqtt": "http://there"}, "mqtt"),
    ({"mqtt": 1883}, "--mqtt: expected text, found 1883"),
    ({"name": "it's"}, "expected a stream name"),
    ({"name": 5}, "--name: expected text, found 5"),
    ({"sed": 5}, "expected options of .*seed.*; found 'sed'"),
]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("name", [*NO_TEXT, None, "", "a\0b"]),
        ("seed", [*NO_NUMBER, None, -1, 2**64]),
        ("step_bins", NO_WHOLE_NUMBER),
        ("duration_s", [*NO_NUMBER, -1, float("nan"), float("inf")]),
        ("device", [*NO_TEXT, None]),
        ("count_format", [*NO_TEXT, None]),
        ("start_delay_s", [*NO_NUMBER, None, float("nan")]),
        ("condition", [3, b"rest", {}, Opaque(), [[1], [1, 2]], "", "file:a\0.npz"]),
        ("condition_hold_s", [*NO_NUMBER, None, float("nan")]),
        ("condition_decay_s", [*NO_NUMBER, None, float("nan")]),
        ("mqtt", [*NO_TEXT, "", "mqtt://"]),
        ("channels", NO_WHOLE_NUMBER),
        ("probe", [*NO_TEXT, None]),
    ],
)
def test_of_a_stream_no_other_error_than_bad_input_leaves(bundle, stream_name, option, values):
    for value in values:
        with pytest.raises(BadInputError):
            spikeloop.stream(bundle, **({"name": stream_name, "broadband": True} | {option: value})).start()


def test_a_report_is_json_before_the_first_bin_and_of_numpy_options(bundle, stream_name):
    options = {"seed": np.int64(3), "step_bins": np.int8(1), "start_delay_s": np.float32(5), "channels": np.int8(4)}
    with spikeloop.stream(bundle, stream_name, broadband=True, **options) as stream:
        document = json.loads(json.dumps(stream.report.to_dict(), allow_nan=False))
    assert (document["seed"], document["step_bins"], document["bins"]) == (3, 1, 0)
    assert document["lateness_ms"]["p50"] is None


@pytest.mark.parametrize(("options", "message"), BAD)
async def test_bad_options_raise_the_errors_of_the_command_line(bundle, stream_name, options, message):
    chosen = {"name": stream_name} | options
    with pytest.raises(BadInputError, match=message):
        await asyncio.to_thread(lambda: spikeloop.stream(bundle, **chosen).start())
    with pytest.raises(BadInputError, match=message):
        async with spikeloop.open_stream(bundle, **chosen):
            pass


def test_a_bundle_that_is_not_there_is_bad_input(stream_name):
    with pytest.raises(BadInputError, match="no bundle named"), spikeloop.stream("nowhere", stream_name):
        pass


@pytest.fixture
def failing(monkeypatch):
    """Populations fail at their second second."""

    def opener(bundle, seed, device, on_inference):
        source = open_source(bundle, seed, device, on_inference)
        whole, given = source.next, itertools.count()

        def next_or_fail(bins, conditions=None):
            if next(given) * bins >= 1000:
                raise FailureError("broken")
            return whole(bins, conditions)

        source.next = next_or_fail
        return source

    monkeypatch.setattr("spikeloop.streamer.launch.streamed.open_source", opener)


def test_a_failure_in_the_background_is_raised_by_wait_or_at_the_end(bundle, stream_name, failing):
    with pytest.raises(FailureError, match="broken"), spikeloop.stream(bundle, stream_name) as stream:
        wait_until(lambda: not stream.running)
    assert stream.report.health.bins > 0
    with spikeloop.stream(bundle, stream_name) as stream, pytest.raises(FailureError, match="broken"):
        stream.wait(ENDS_S)
    with pytest.raises(ZeroDivisionError), spikeloop.stream(bundle, stream_name) as stream:
        wait_until(lambda: not stream.running)
        _ = 1 / 0
    assert gone(stream_name)


def test_ctrl_c_inside_the_context_closes_the_stream(bundle, stream_name):
    with pytest.raises(KeyboardInterrupt), spikeloop.stream(bundle, stream_name) as stream:
        raise KeyboardInterrupt
    assert not stream.running
    assert gone(stream_name)


def test_ctrl_c_in_wait_closes_the_stream_and_keeps_its_failure(bundle, stream_name, monkeypatch):
    closed = PreparedStream.__exit__

    def close_slowly_and_fail(self, *error):
        closed(self, *error)
        time.sleep(0.5)
        raise FailureError("broken while closing")

    monkeypatch.setattr(PreparedStream, "__exit__", close_slowly_and_fail)
    stream = spikeloop.stream(bundle, stream_name)
    with pytest.raises(KeyboardInterrupt), stream:
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        stream.wait(ENDS_S)
    assert not stream.running
    assert not [thread for thread in threading.enumerate() if thread.name == "spikeloop-stream"]
    with pytest.raises(FailureError, match="broken while closing"):
        stream.stop()
    assert gone(stream_name)


def test_a_program_that_ends_without_stopping_its_stream_ends_quietly(start, bundle_path, stream_name):
    program = f"import spikeloop; spikeloop.stream({str(bundle_path)!r}, {stream_name!r}).start(); print('up')"
    printed, errors = start(program=program).communicate(timeout=280)
    assert (printed, errors) == ("up\n", "")
    assert gone(stream_name)


async def test_open_stream_runs_in_the_callers_event_loop(bundle, stream_name):
    async with spikeloop.open_stream(bundle, stream_name, seed=3, start_delay_s=1) as stream:
        assert stream.running
        assert not [thread for thread in threading.enumerate() if thread.name == "spikeloop-stream"]
        got = await asyncio.to_thread(receive, stream_name, 10)
        assert got.shape == (10, 96)
        assert not await stream.wait(0.01)
        stream.pause()
    assert not stream.running
    assert stream.report.health.bins >= 10
    assert await stream.wait()
    assert await asyncio.to_thread(gone, stream_name)


async def test_open_stream_ends_with_its_duration_and_can_be_stopped(bundle, stream_name):
    async with spikeloop.open_stream(bundle, stream_name, duration_s=0.1) as stream:
        assert await stream.wait(ENDS_S)
        assert await asyncio.to_thread(gone, stream_name)
    assert stream.report.health.bins == 100
    async with spikeloop.open_stream(bundle, stream_name) as stream:
        stream.stop()
        assert await stream.wait(ENDS_S)


async def test_open_stream_is_entered_once_and_still_ends(bundle, stream_name):
    stream = spikeloop.open_stream(bundle, stream_name)
    async with asyncio.timeout(ENDS_S):
        async with stream:
            with pytest.raises(BadInputError, match="started before"):
                await stream.__aenter__()
            assert stream.running
        with pytest.raises(BadInputError, match="started before"):
            async with stream:
                pass
    assert not stream.running


async def test_a_cancelled_task_closes_its_stream(bundle, stream_name):
    opened = asyncio.Event()

    async def hold() -> None:
        async with spikeloop.open_stream(bundle, stream_name):
            opened.set()
            await asyncio.Event().wait()

    for waits_for in (opened.wait(), asyncio.sleep(0.1)):  # while it streams, and while it opens
        task = asyncio.create_task(hold())
        await waits_for
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await asyncio.to_thread(gone, stream_name)


async def test_a_failure_is_raised_when_the_async_context_is_left(bundle, stream_name, failing):
    with pytest.raises(FailureError, match="broken"):
        async with spikeloop.open_stream(bundle, stream_name) as stream:
            while stream.running:
                await asyncio.sleep(0.01)
