"""`stream --mqtt` and `monitor --mqtt` as processes, over real brokers, with real LSL inlets at the other end."""

import json
import signal
import time
from itertools import pairwise

import numpy as np
import pylsl
import pylsl.util
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.mqtt.payloads import decode_spikes
from spikeloop.streamer.stream.source import open_source
from tests.support.broker import BROKERS, Mosquitto, free_port
from tests.support.command_line import fails
from tests.support.far_end import CONNECTING_S, CONSUMER, bin_numbers, gone, own_node, received, report
from tests.support.mqtt_stand_ins import Device, wait_until
from tests.support.tiny import tiny_bundle, tiny_generator, tiny_stream_bundle

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
UNITS, BIN_S, STEP_BINS = 8, 0.001, 5


@pytest.fixture(params=BROKERS)
def broker(request, tmp_path):
    with BROKERS[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def mosquitto(tmp_path):
    with Mosquitto(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def quiet_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("quiet") / "tiny"
    tiny_bundle(path, units=UNITS, generator=tiny_generator(UNITS, bias=-6.0))
    return path


@pytest.fixture(scope="module")
def driven_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("driven") / "tiny"
    tiny_stream_bundle(path, channels=CHANNELS)
    return path


def documents(device: Device, topic: str) -> list[dict]:
    return [json.loads(payload) for payload in device.payloads(topic)]


def states(device: Device) -> list[str]:
    return [each["state"] for each in documents(device, "status")]


@pytest.mark.long
def test_evoked_spikes_arrive_at_an_inlet_when_the_markers_say(start, broker, quiet_path, stream_name, tmp_path):
    names = {end: f"{stream_name}{end}" for end in ("", "-Events", "-Condition")}
    consumers = {end: start(name, 30, tmp_path / f"{name}.npz", script=CONSUMER) for end, name in names.items()}
    with Device(broker.port, stream=stream_name) as device:
        stream = start(
            "stream", quiet_path, "--name", stream_name, "--mqtt", broker.url, "--step-bins", STEP_BINS,
            "--duration", 4, "--start-delay", CONNECTING_S, "--json",
        )  # fmt: skip
        found = pylsl.resolve_byprop("name", f"{stream_name}-Markers", timeout=60)
        markers = pylsl.StreamInlet(found[0], recover=False)
        markers.open_stream(timeout=10)
        assert wait_until(lambda: device.payloads("spikes"), 60)
        for number in range(10):
            device.send("stimulate", json.dumps({"units": [1, 6], "amplitude_ua": 200, "id": str(number)}))
            time.sleep(0.15)
        device.send("stimulate", '{"units": [8], "amplitude_ua": 20}')
        device.send("stimulate", "{")
        texts, marked_s = markers.pull_chunk(timeout=30.0, max_samples=10)
        assert wait_until(lambda: len(documents(device, "error")) == 2)
        got = {end: received(each, tmp_path / f"{names[end]}.npz") for end, each in consumers.items()}
        ended = report(stream)
        assert wait_until(lambda: states(device)[-1:] == ["offline"])
    told = [json.loads(text) for (text,) in texts or ()]
    assert told == documents(device, "marker")
    assert [each["id"] for each in told] == [str(number) for number in range(10)]
    stamps_s = np.array([each["stamp_s"] for each in told])
    np.testing.assert_allclose(marked_s, stamps_s, atol=1e-9)

    start_s = float(own_node(got[""]["description"])["start_s"])
    counts, (events_s, units) = got[""]["samples"], (got["-Events"]["stamps"], got["-Events"]["samples"][:, 0])
    np.testing.assert_array_equal(bin_numbers(got[""], BIN_S), np.arange(4000))
    assert np.all(np.diff(events_s) >= 0)
    binned = np.zeros_like(counts)
    np.add.at(binned, (np.floor((events_s - start_s) / BIN_S + 1e-6).astype(int), units.astype(int)), 1)
    np.testing.assert_array_equal(binned, counts)
    for unit in (1, 6):
        delays_s = events_s[units == unit] - stamps_s[:, np.newaxis]
        assert ((delays_s >= 1e-3) & (delays_s <= 4e-3)).any(axis=1).all()  # after each stimulus
        assert ((delays_s > 0) & (delays_s < 1e-3)).any(axis=1).sum() <= 3  # before it only by chance
    amplitudes = got["-Condition"]["samples"][:, 0]
    np.testing.assert_array_equal(amplitudes.nonzero()[0], np.floor((stamps_s - start_s) / BIN_S + 1e-6))
    assert set(amplitudes) == {0, 200}

    messages = [decode_spikes(payload) for payload in device.payloads("spikes")]
    assert [each.sequence for each in messages] == list(range(4000 // STEP_BINS))
    np.testing.assert_array_equal(np.concatenate([each.units for each in messages]), units)
    np.testing.assert_allclose(np.concatenate([each.stamps_s for each in messages]), events_s, atol=1.1e-6)
    reasons = [each["reason"] for each in documents(device, "error")]
    assert reasons[0] == "units: expected 0 to 7, found 8"
    assert reasons[1].startswith("expected JSON")
    assert documents(device, "status")[-2]["start_s"] == start_s
    assert documents(device, "health")[-1]["refused"] == 2
    assert (ended["bins"], ended["mqtt"]["refused"], ended["mqtt"]["dropped"]) == (4000, 2, 0)


@pytest.mark.long
def test_a_paused_stream_leaves_a_gap_and_goes_on_with_the_same_spikes(
    start, broker, bundle_path, stream_name, tmp_path
):
    consumer = start(stream_name, 30, tmp_path / "got.npz", script=CONSUMER)
    with Device(broker.port, stream=stream_name) as device:
        stream = start(
            "stream", bundle_path, "--name", stream_name, "--mqtt", broker.url, "--seed", 3,
            "--duration", 3, "--start-delay", CONNECTING_S, "--json",
        )  # fmt: skip
        assert wait_until(lambda: len(device.payloads("spikes")) > 20, 60)
        for command, state in (("pause", "paused"), ("resume", "online")):
            device.send("control", json.dumps({"command": command}))
            assert wait_until(lambda state=state: states(device)[-1] == state)
            time.sleep(0.3)
        got = received(consumer, tmp_path / "got.npz")
        assert report(stream)["bins"] == 3000
    start_s = float(own_node(got["description"])["start_s"])
    pause, resume = (round((each["stamp_s"] - start_s) / BIN_S) for each in documents(device, "marker"))
    assert resume - pause > 250
    numbers = bin_numbers(got, BIN_S)
    np.testing.assert_array_equal(numbers, np.r_[0:pause, resume:3000])
    np.testing.assert_array_equal(got["samples"], open_source(load_bundle(bundle_path), 3).next(3000)[numbers])
    messages = [decode_spikes(payload) for payload in device.payloads("spikes")]
    assert [each.sequence for each in messages] == list(range(len(messages)))
    assert [each.first_bin for each in messages] == numbers[::20].tolist()


def test_conditions_over_mqtt_drive_a_stream_and_are_told_with_the_stimulus(
    start, mosquitto, driven_path, stream_name, tmp_path
):
    condition = f"{stream_name}-Condition"
    consumers = {name: start(name, 30, tmp_path / f"{name}.npz", script=CONSUMER) for name in (stream_name, condition)}
    with Device(mosquitto.port, stream=stream_name) as device:
        stream = start(
            "stream", driven_path, "--name", stream_name, "--mqtt", mosquitto.url, "--condition", "mqtt",
            "--duration", 3, "--start-delay", CONNECTING_S, "--json",
        )  # fmt: skip
        assert wait_until(lambda: len(device.payloads("spikes")) > 5, 60)
        for turn in np.linspace(0, 6, 100):
            device.send("condition", json.dumps({"values": [np.cos(turn), np.sin(turn)]}))
            time.sleep(0.01)
        device.send("condition", '{"values": [1]}')
        got = {name: received(each, tmp_path / f"{name}.npz") for name, each in consumers.items()}
        ended = report(stream)
    drove = got[condition]["samples"]
    assert drove.shape[1] == 3
    assert not drove[:, 2].any()
    assert len(np.unique(drove[:, 0])) > 20
    numbers = bin_numbers(got[condition], load_bundle(driven_path).card.bin_size_s)
    np.testing.assert_array_equal(numbers, np.arange(len(drove)))
    expected = open_source(load_bundle(driven_path), 0).next(len(drove), drove[:, :2].astype(np.float32))
    np.testing.assert_array_equal(got[stream_name]["samples"], expected)
    assert (ended["condition"]["asked"], ended["condition"]["samples"]) == ("mqtt", 100)
    assert ended["mqtt"]["refused"] == 1


def test_the_monitor_beside_tells_its_figures_over_mqtt(start, mosquitto, bundle_path, stream_name):
    with Device(mosquitto.port, stream=stream_name) as device:
        stream = start("stream", bundle_path, "--name", stream_name, "--mqtt", mosquitto.url, "--monitor", "--json")
        assert wait_until(lambda: len(device.payloads("monitor")) > 2, 60)
        stream.send_signal(signal.SIGINT)
        printed, errors = stream.communicate(timeout=280)
        assert stream.returncode == 130, errors
        assert wait_until(lambda: states(device)[-1:] == ["offline"])
    told = documents(device, "monitor")[-1]
    assert told["bins"] > 500
    assert told["mean_rate_hz"] > 0
    assert told["stamp_s"] == pytest.approx(pylsl.local_clock(), abs=30)
    assert json.loads(printed)["mqtt"]["published"] > 0
    assert json.loads(printed)["monitor"]["figures"]["bins"] >= told["bins"]


@pytest.mark.parametrize("command", ["stream", "monitor"])
def test_a_broker_that_is_down_is_told_at_the_start(bundle_path, stream_name, capsys, command):
    port = free_port()
    what = [bundle_path, "--name", stream_name] if command == "stream" else [stream_name, "--metrics", 0]
    code, said = fails(capsys, command, *what, "--mqtt", f"mqtt://127.0.0.1:{port}")
    assert code == 1
    assert f"127.0.0.1:{port}" in said
    assert gone(stream_name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mqtt", "http://127.0.0.1"], "--mqtt: expected mqtt://"),
        (["--mqtt", "mqtt://lab:secret@127.0.0.1"], "a URL without a password"),
        (["--condition", "mqtt"], "--condition mqtt: expected a broker that brings it, found none; add --mqtt URL"),
    ],
)
def test_options_that_make_no_sense_are_told(driven_path, capsys, options, message):
    code, said = fails(capsys, "stream", driven_path, *options)
    assert code == 2
    assert message in said
    assert "secret" not in said


def test_without_mqtt_there_are_neither_markers_nor_a_channel_of_the_stimulus(start, driven_path, stream_name):
    start("stream", driven_path, "--name", stream_name)
    found = pylsl.resolve_byprop("name", f"{stream_name}-Condition", timeout=60)
    assert found[0].channel_count() == 2
    assert gone(f"{stream_name}-Markers")


def test_a_stimulus_leaves_its_artefact_on_the_voltage_of_the_spikes(start, mosquitto, quiet_path, stream_name):
    with Device(mosquitto.port, stream=stream_name) as device:
        stream = start(
            "stream", quiet_path, "--name", stream_name, "--mqtt", mosquitto.url, "--step-bins", STEP_BINS,
            "--broadband", "--channels", 4, "--start-delay", CONNECTING_S, "--json",
        )  # fmt: skip
        found = pylsl.resolve_byprop("name", f"{stream_name}-Broadband", timeout=60)
        inlet = pylsl.StreamInlet(found[0], recover=False)
        inlet.open_stream(timeout=10)
        assert wait_until(lambda: device.payloads("spikes"), 60)
        device.send("stimulate", '{"units": [0], "amplitude_ua": 100}')
        assert wait_until(lambda: documents(device, "marker"), 60)
        (told,) = documents(device, "marker")
        pulled = []
        while not pulled or pulled[-1][1][-1] < told["stamp_s"] + 0.1:
            values, stamps = inlet.pull_chunk(timeout=0.5, max_samples=30_000, as_numpy=True)
            if len(stamps):
                pulled.append((values, stamps))
        stream.send_signal(signal.SIGINT)
        printed, errors = stream.communicate(timeout=280)
        assert stream.returncode == 130, errors
        assert json.loads(printed)["mqtt"]["refused"] == 0
    trace = np.concatenate([np.asarray(values, float) for values, _ in pulled])
    stamps_s = np.concatenate([np.asarray(stamps) for _, stamps in pulled])
    np.testing.assert_allclose(np.diff(stamps_s), 1 / 30_000, atol=1e-6)
    beyond = stamps_s[(np.abs(trace) > 10 * trace.std(axis=0)).any(axis=1) & (np.abs(trace) > 4000).all(axis=1)]
    assert told["stamp_s"] - 1e-4 <= beyond[0] <= told["stamp_s"] + 2e-3
    assert beyond[-1] <= told["stamp_s"] + 0.01


def test_a_session_in_real_time_tells_its_screen(start, mosquitto, tmp_path, stream_name):
    path = tmp_path / "loop"
    velocity = (Condition("velocity x", "cm/s", -60.0, 60.0), Condition("velocity y", "cm/s", -60.0, 60.0))
    tiny_stream_bundle(path, 4, velocity, bin_size_s=0.02)
    with Device(mosquitto.port, stream=stream_name) as device:
        session = start(
            "closedloop", "--bundle", path, "--clock", "real", "--name", stream_name, "--decoder", "oracle",
            "--calibration", 0, "--trials", 1, "--mqtt", mosquitto.url, "--json",
        )  # fmt: skip
        assert session.communicate(timeout=280)[0]
        assert session.returncode == 0
        cursor, markers = documents(device, "cursor"), documents(device, "marker")
    assert [each["event"] for each in markers][:: len(markers) - 1] == ["target", "success"]
    assert len(cursor) > 25
    for before, after in pairwise(cursor):
        moved = np.array(before["position_cm"]) + 0.02 * np.array(after["velocity_cm_s"])
        np.testing.assert_allclose(after["position_cm"], moved, atol=1e-6)
    assert cursor[-2]["target"]["width_cm"] == 3


def test_devices_need_a_real_clock(driven_path, capsys):
    code, told = fails(capsys, "closedloop", "--bundle", driven_path, "--mqtt", "mqtt://127.0.0.1")
    assert code == 2
    assert "a simulated clock; add --clock real" in told
