"""Real LSL inlets in other processes, at the far end of a real `spikeloop stream`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.stream_names import STREAM_TYPES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.lsl.description import Provenance
from spikeloop.streamer.lsl.library import check_name_is_free
from spikeloop.streamer.lsl.sink import LslSink
from spikeloop.streamer.stream.source import WindowSource, open_source
from spikeloop.streamer.stream.step import Step
from tests.support.command_line import fails
from tests.support.far_end import CONNECTING_S, CONSUMER, bin_numbers, own_node, received, report
from tests.support.tiny import tiny_bundle, tiny_stream_bundle


@pytest.mark.parametrize("step_bins", [1, 32, 50])
def test_an_inlet_in_another_process_receives_every_bin_once(start, bundle_path, stream_name, tmp_path, step_bins):
    duration_s, seed = 1.0, 7
    consumers = [
        start(name, 30, tmp_path / f"{name}.npz", script=CONSUMER) for name in (stream_name, f"{stream_name}-Events")
    ]
    options = {"--name": stream_name, "--seed": seed, "--step-bins": step_bins, "--duration": duration_s}
    stream = start("stream", bundle_path, *sum(options.items(), ()), "--start-delay", CONNECTING_S, "--json")
    counts, events = (
        received(consumer, tmp_path / f"{name}.npz")
        for consumer, name in zip(consumers, (stream_name, f"{stream_name}-Events"), strict=True)
    )
    ended = report(stream)

    expected = WindowSource(Engine(load_bundle(bundle_path)), seed).next(1000)
    np.testing.assert_array_equal(bin_numbers(counts, 0.001), np.arange(1000))
    np.testing.assert_array_equal(counts["samples"], expected)
    assert np.all(counts["arrivals"] >= counts["stamps"])  # never in the future
    assert np.abs(np.diff(counts["stamps"]) - 0.001).max() < 1e-6

    start_s = float(own_node(events["description"])["start_s"])
    assert np.all(np.diff(events["stamps"]) >= 0)
    assert np.all(events["arrivals"] >= events["stamps"])
    binned = np.zeros_like(expected)
    place = np.floor((events["stamps"] - start_s) / 0.001 + 1e-6).astype(int)
    np.add.at(binned, (place, events["samples"][:, 0].astype(int)), 1)
    np.testing.assert_array_equal(binned, expected)

    assert (ended["bins"], ended["steps"], ended["seed"]) == (1000, -(-1000 // step_bins), seed)
    assert ended["provider"] == "CPUExecutionProvider"
    assert ended["sha256"] == load_bundle(bundle_path).sha256


def test_a_running_stream_is_found_and_describes_itself(start, bundle_path, stream_name):
    stream = start("stream", bundle_path, "--name", stream_name, "--seed", 5, "--step-bins", 32)
    found = pylsl.resolve_byprop("name", stream_name, timeout=60)
    inlet = pylsl.StreamInlet(found[0])
    info = inlet.info(timeout=60)
    assert (info.name(), info.type(), info.channel_count()) == (stream_name, "Spikes", 96)
    assert info.nominal_srate() == pytest.approx(1000)
    assert info.channel_format() == pylsl.cf_float32
    assert stream_name in info.source_id()
    tree = ElementTree.fromstring(info.as_xml())
    channels = tree.findall("desc/channels/channel")
    assert [channel.findtext("label") for channel in channels] == [f"unit {i}" for i in range(96)]
    assert {(channel.findtext("unit"), channel.findtext("type")) for channel in channels} == {("count", "spikes")}
    assert tree.findtext("desc/acquisition/manufacturer") == "spikeloop"
    assert tree.findtext("desc/acquisition/model") == "tiny"
    own = own_node(np.array(info.as_xml()))
    assert own["bundle"] == "tiny"
    assert own["sha256"] == load_bundle(bundle_path).sha256
    assert (own["seed"], own["bin_size_s"], own["step_bins"]) == ("5", "0.001", "32")
    assert own["version"]
    events = pylsl.resolve_byprop("name", f"{stream_name}-Events", timeout=60)[0]
    assert (events.type(), events.channel_count(), events.nominal_srate()) == ("SpikeEvents", 1, 0.0)
    assert events.channel_format() == pylsl.cf_int32
    inlet.close_stream()
    stream.send_signal(signal.SIGINT)
    stream.communicate(timeout=280)
    assert stream.returncode == 130


def test_two_sources_and_consumers_that_come_and_go_disturb_nothing(start, bundle_path, stream_name, tmp_path):
    names = [f"{stream_name}-{i}" for i in range(2)]
    steady = [start(name, 30, tmp_path / f"{name}.npz", script=CONSUMER) for name in names]
    streams = [
        start(
            "stream",
            bundle_path,
            "--name",
            name,
            "--seed",
            seed,
            "--duration",
            4,
            "--start-delay",
            CONNECTING_S,
            "--json",
        )
        for seed, name in enumerate(names)
    ]
    guests = []
    for visit in range(2):  # comes, is killed, and returns
        guest = start(names[0], 30, tmp_path / f"guest{visit}.npz", script=CONSUMER)
        assert guest.stdout is not None
        assert guest.stdout.readline() == "connected\n"
        time.sleep(0.5)
        if visit == 0:
            guest.kill()
        guests.append(guest)
    for seed, (name, consumer, stream) in enumerate(zip(names, steady, streams, strict=True)):
        got = received(consumer, tmp_path / f"{name}.npz")
        expected = WindowSource(Engine(load_bundle(bundle_path)), seed).next(4000)
        np.testing.assert_array_equal(bin_numbers(got, 0.001), np.arange(4000))
        np.testing.assert_array_equal(got["samples"], expected)
        assert report(stream)["bins"] == 4000
    returned = received(guests[1], tmp_path / "guest1.npz")
    numbers = bin_numbers(returned, 0.001)
    assert len(numbers) > 100
    np.testing.assert_array_equal(np.diff(numbers), 1)  # from where it came back, every bin
    np.testing.assert_array_equal(
        returned["samples"], WindowSource(Engine(load_bundle(bundle_path)), 0).next(4000)[numbers]
    )


@pytest.mark.parametrize("count_format", ["int16", "int8"])
def test_counts_come_as_small_integers_on_request(start, tmp_path, stream_name, count_format):
    tiny_bundle(tmp_path / "small", units=5, bin_size_s=0.02)
    consumer = start(stream_name, 30, tmp_path / "got.npz", script=CONSUMER)
    stream = start(
        "stream", tmp_path / "small", "--name", stream_name, "--format", count_format,
        "--duration", 1, "--start-delay", CONNECTING_S, "--json",
    )  # fmt: skip
    got = received(consumer, tmp_path / "got.npz")
    report(stream)
    assert ElementTree.fromstring(str(got["description"])).findtext("channel_format") == count_format
    expected = WindowSource(Engine(load_bundle(tmp_path / "small")), 0).next(50)
    np.testing.assert_array_equal(got["samples"], expected)


@pytest.mark.parametrize(("count_format", "most"), [("int8", 127), ("int16", 255)])
async def test_counts_that_a_format_can_not_hold_go_out_as_its_largest(stream_name, count_format, most):
    async with LslSink(stream_name, ("a", "b"), Provenance("tiny", "", 0, 0.02, 1, 0.0), count_format) as sink:
        inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", stream_name, timeout=60)[0])
        inlet.open_stream(5)
        nothing = np.zeros(0)
        now_s = np.array([pylsl.local_clock()])
        sink.push(
            Step(
                0,
                np.array([[255, 3]], np.uint8),
                np.zeros((1, 0), np.float32),
                now_s,
                nothing.astype(np.int32),
                nothing,
            )
        )
        assert inlet.pull_sample(timeout=60)[0] == [most, 3]
        inlet.close_stream()


@pytest.mark.parametrize("suffix", ["", *STREAM_TYPES])
def test_a_name_that_is_taken_is_refused(capsys, bundle_path, stream_name, suffix):
    taken = stream_name + suffix
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(taken, "Spikes", 1, 0.0, pylsl.cf_int8, taken))
    with pytest.raises(BadInputError, match="already on the network.*--name"):
        check_name_is_free(stream_name)
    code, said = fails(capsys, "stream", bundle_path, "--name", stream_name)
    assert code == 2
    assert "already on the network" in said
    del outlet


@pytest.mark.parametrize("name", ["", "it's", "a/b", "x" * 65, " leading", "new\nline"])
def test_what_can_not_be_a_name_is_refused(name):
    with pytest.raises(BadInputError, match="expected a stream name"):
        check_name_is_free(name)


HOLDER = """
import sys, pylsl
outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(f"{sys.argv[1]} {i}", "Spikes", 1, 0.0, "int8", "")) for i in range(2)]
print("up", flush=True)
sys.stdin.read()
"""


def test_ports_that_are_all_taken_are_told(start, bundle_path, stream_name, tmp_path):
    """Room for one source's two outlets, which another program has."""
    config = tmp_path / "lsl_api.cfg"
    config.write_text("[ports]\nBasePort=41000\nPortRange=3\nAllowRandomPorts=0\nIPv6=disable\n[log]\nlevel=-3\n")
    environment = os.environ | {"LSLAPICFG": str(config)}
    holder = start(f"{stream_name}-other", program=HOLDER, env=environment, stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "up\n"
    stream = start("stream", bundle_path, "--name", stream_name, "--duration", 1, env=environment)
    _, errors = stream.communicate(timeout=280)
    assert stream.returncode == 1
    assert f"LSL could not open '{stream_name}" in errors
    assert "PortRange" in errors
    assert "Traceback" not in errors


def test_a_missing_liblsl_is_told_with_what_to_install(tmp_path, bundle_path):
    """A pylsl whose library can't be found raises on import, as on systems whose wheel has none."""
    (tmp_path / "pylsl.py").write_text("raise RuntimeError('LSL binary library file was not found.')\n")
    program = "from spikeloop.__main__ import main; main()"
    outcome = subprocess.run(
        [sys.executable, "-c", program, "stream", str(bundle_path)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 1
    assert "conda install -c conda-forge liblsl" in outcome.stderr
    assert "Traceback" not in outcome.stderr


CHANNELS = (Condition("velocity x", "cm/s", -1.0, 1.0), Condition("velocity y", "cm/s", -1.0, 1.0, rest=0.5))
BIN_S = 0.005

# Goes round at 100 Hz until it is killed.
HAND = """
import sys, time, math, pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "Condition", 2, 100.0, "double64", sys.argv[1]))
print("up", flush=True)
while True:
    angle = 3 * time.monotonic()
    outlet.push_sample([math.cos(angle), math.sin(angle)])
    time.sleep(0.01)
"""


@pytest.fixture
def driven_path(tmp_path) -> Path:
    tiny_stream_bundle(tmp_path / "driven", channels=CHANNELS, distribution="counts", slow=2, bin_size_s=BIN_S)
    return tmp_path / "driven"


def streamed(start, bundle: Path, name: str, folder: Path, bins: int, *options: object) -> tuple[dict, dict, dict]:
    """What inlets of NAME and NAME-Condition got of a stream with seed 7, and its report."""
    names = (name, f"{name}-Condition")
    consumers = [start(each, 30, folder / f"{each}.npz", script=CONSUMER) for each in names]
    stream = start(
        "stream", bundle, "--name", name, "--seed", 7, "--duration", bins * BIN_S, "--start-delay", CONNECTING_S,
        "--json", *options,
    )  # fmt: skip
    counts, conditions = (
        received(consumer, folder / f"{each}.npz") for consumer, each in zip(consumers, names, strict=True)
    )
    for got in (counts, conditions):
        np.testing.assert_array_equal(bin_numbers(got, BIN_S), np.arange(bins))
        assert np.all(got["arrivals"] >= got["stamps"])
    np.testing.assert_array_equal(conditions["stamps"], counts["stamps"])
    return counts, conditions, report(stream)


def generated(bundle: Path, folder: Path, conditions: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """What `generate` makes of recorded conditions with seed 7."""
    np.savez(folder / "replayed.npz", condition=conditions)
    options = ["--duration", bins * BIN_S, "--seed", 7, "--out", folder / "generated.npz"]
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in ("generate", bundle, "--condition", f"file:{folder / 'replayed.npz'}", *options)])
    assert stopped.value.code == 0
    with np.load(folder / "generated.npz") as archive:
        return dict(archive)


def test_a_stream_that_a_file_drives_tells_what_drove_each_bin_and_is_what_generate_writes(
    start, driven_path, stream_name, tmp_path
):
    asked = np.random.default_rng(0).uniform(-1, 1, (150, 2)).astype(np.float32)
    np.savez(tmp_path / "asked.npz", condition=asked)
    drive = f"file:{tmp_path / 'asked.npz'}"
    counts, conditions, ended = streamed(start, driven_path, stream_name, tmp_path, 200, "--condition", drive)
    expected = np.concatenate([asked, np.tile(np.array([0, 0.5], np.float32), (50, 1))])  # rest after its end
    np.testing.assert_array_equal(conditions["samples"], expected)
    np.testing.assert_array_equal(
        counts["samples"], open_source(load_bundle(driven_path), 7, "cpu").next(200, expected)
    )
    assert ended["condition"] == {"asked": drive, "resting_bins": 50}
    made = generated(driven_path, tmp_path, conditions["samples"], 200)
    np.testing.assert_array_equal(made["spikes"], counts["samples"])
    np.testing.assert_array_equal(made["condition"], conditions["samples"])

    tree = ElementTree.fromstring(str(conditions["description"]))
    assert (tree.findtext("type"), tree.findtext("channel_format")) == ("Condition", "float32")
    channels = [[each.findtext(key) for key in ("label", "unit", "type")] for each in tree.iter("channel")]
    assert channels == [["velocity x", "cm/s", "condition"], ["velocity y", "cm/s", "condition"]]
    assert own_node(counts["description"])["condition"] == drive


def test_a_live_session_is_repeated_bit_for_bit_from_what_drove_it(start, driven_path, stream_name, tmp_path):
    hand = start(f"{stream_name}-hand", program=HAND)
    assert hand.stdout.readline() == "up\n"
    options = ["--condition", f"lsl:{stream_name}-hand", "--step-bins", 1]
    counts, conditions, ended = streamed(start, driven_path, stream_name, tmp_path, 300, *options)
    moved = conditions["samples"]
    assert len(np.unique(moved, axis=0)) > 50
    np.testing.assert_allclose(np.square(moved).sum(axis=1), 1, atol=1e-4)  # whole samples of the circle, never a mix
    assert ended["steps"] == 300
    assert ended["condition"]["state"] == "live"
    assert ended["condition"]["samples"] > 100
    assert (ended["condition"]["invalid"], ended["condition"]["off_clock"], ended["condition"]["gaps"]) == (0, 0, 0)
    made = generated(driven_path, tmp_path, moved, 300)
    np.testing.assert_array_equal(made["spikes"], counts["samples"])
    at_rest = open_source(load_bundle(driven_path), 7, "cpu").next(300)
    assert not np.array_equal(at_rest, counts["samples"])


def test_a_killed_sender_is_told_in_the_report_and_nowhere_else(start, driven_path, stream_name):
    hand = start(f"{stream_name}-hand", program=HAND)
    assert hand.stdout.readline() == "up\n"
    options = ["--condition", f"lsl:{stream_name}-hand", "--condition-hold", 0.1, "--condition-decay", 0.1]
    stream = start("stream", driven_path, "--name", stream_name, "--duration", 3, *options)
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", stream_name, timeout=60)[0])
    assert inlet.pull_sample(timeout=20)[1]
    inlet.close_stream()
    hand.kill()
    _, errors = stream.communicate(timeout=280)
    assert stream.returncode == 0
    lines = errors.splitlines()
    assert lines[-1].startswith(f"condition lsl:{stream_name}-hand: ")
    assert "0 off clock, 0 clipped, 1 gaps" in lines[-1]
    assert not [line for line in lines if "|" in line]  # as liblsl's own log would be


def test_fluorescence_is_a_stream_of_its_own_type_without_events(start, stream_name, tmp_path):
    bundle = tiny_stream_bundle(tmp_path / "light", distribution="fluorescence", bin_size_s=0.02)
    consumer = start(stream_name, 30, tmp_path / "got.npz", script=CONSUMER)
    stream = start("stream", tmp_path / "light", "--name", stream_name, "--duration", 2, "--start-delay", 2, "--json")
    assert pylsl.resolve_byprop("name", stream_name, timeout=60)
    assert not pylsl.resolve_byprop("name", f"{stream_name}-Events", timeout=0.5)
    got = received(consumer, tmp_path / "got.npz")
    expected = open_source(bundle, 0, "cpu").next(100)
    np.testing.assert_array_equal(got["samples"], expected)
    tree = ElementTree.fromstring(str(got["description"]))
    assert (tree.findtext("type"), tree.findtext("channel_format")) == ("Fluorescence", "float32")
    assert {(each.findtext("unit"), each.findtext("type")) for each in tree.iter("channel")} == {
        ("a.u.", "fluorescence")
    }
    assert report(stream)["mean_rate_hz"] == pytest.approx(expected.mean() / 0.02)
