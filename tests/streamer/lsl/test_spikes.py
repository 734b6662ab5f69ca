"""Spike counts from real LSL outlets in other processes, that err, stall, die and return."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pylsl
import pytest

from spikeloop.__main__ import main
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl import follower
from spikeloop.streamer.lsl import spikes as lsl_spikes
from spikeloop.streamer.lsl.description import StreamDescription
from spikeloop.streamer.lsl.reception import Reception
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.lsl.spikes import LslSpikes, check_counts
from tests.support.at_once import at_once

CLOCKS_S = 0.005  # to which LSL compares clocks on a busy machine; the counts show that no bin is in another's place
BIN_S = 0.001

# Obeys lines: "send BINS [OFF_MS]" (stamps off by that much, up and down), "put VALUE" or "stamp SECONDS" for one bin,
# "skip BINS", "run".
SENDER = """
import json, sys, time, numpy as np, pylsl
name, options = sys.argv[1], json.loads(sys.argv[2])
units, form, bin_s = options["units"], options["form"], options["bin_s"]
rate = 1 / bin_s if bin_s else 0.0
info = pylsl.StreamInfo(name, options["kind"], units, rate, form, options["source"])
channels = info.desc().append_child("channels")
for label in options["labels"]:
    channels.append_child("channel").append_child_value("label", label)
if options["own"]:
    node = info.desc().append_child("spikeloop")
    for key, value in options["own"].items():
        node.append_child_value(key, value)
outlet = pylsl.StreamOutlet(info)
start_s, k = pylsl.local_clock(), 0
print("up", flush=True)

def push(bins, off_s=0.0, value=None):
    global k
    index = np.arange(k, k + bins)
    counts = (index[:, None] + np.arange(units)) % 5 if value is None else np.full((bins, units), value)
    stamps_s = start_s + (index + 1) * bin_s + off_s * (-1.0) ** (index // 10)
    outlet.push_chunk([list(map(str, row)) for row in counts] if form == "string" else counts.astype(
        {"double64": float}.get(form, form)), stamps_s.tolist())
    k += bins

for line in sys.stdin:
    word, *values = line.split()
    outlet.wait_for_consumers(10)
    if word == "send":
        push(int(values[0]), float(values[1]) / 1e3 if len(values) > 1 else 0.0)
    elif word == "put":
        push(1, value=float(values[0]))
    elif word == "stamp":
        outlet.push_sample([1] * units, float(values[0]))
        k += 1
    elif word == "skip":
        k += int(values[0])
    while word == "run":
        due = int((pylsl.local_clock() - start_s) / bin_s) - k
        if due > 0:
            push(due)
        time.sleep(0.01)
"""

OWN = {
    "version": "1", "bundle": "tiny", "sha256": "a" * 64, "seed": "7", "bin_size_s": "0.001", "step_bins": "20",
    "start_s": "12.5", "condition": "", "latency_bins": "3",
}  # fmt: skip

Send = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def send(start, stream_name) -> Send:
    def sender(*lines: str, name: str = stream_name, own=None, **options) -> subprocess.Popen[str]:
        told = {"units": 3, "form": "float32", "bin_s": BIN_S, "kind": "Spikes", "labels": [], "source": "sender"}
        process = start(name, json.dumps(told | options | {"own": own}), program=SENDER, stdin=subprocess.PIPE)
        assert process.stdout.readline() == "up\n"
        for line in lines:
            obey(process, line)
        return process

    return sender


def obey(sender: subprocess.Popen[str], line: str) -> None:
    assert sender.stdin is not None
    sender.stdin.write(f"{line}\n")
    sender.stdin.flush()


def take_until(spikes: LslSpikes, met: Callable[[Reception], bool], within_s: float = 30.0) -> list[Segment]:
    """Take at 100 Hz until the report is as wanted."""
    end_s = time.monotonic() + within_s
    segments: list[Segment] = []
    while True:
        with at_once():
            segments += spikes.pull()
        if met(spikes.report()):
            return segments
        assert time.monotonic() < end_s, spikes.report()
        time.sleep(0.01)


def described(spikes: LslSpikes) -> StreamDescription:
    assert spikes.description is not None
    return spikes.description


def has(report: Reception, **figures: object) -> bool:
    return all(getattr(report, key) == value for key, value in figures.items())


def refuses(report: Reception, why: str) -> bool:
    return why in report.refused


def runs(segments: list[Segment]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Counts and ends of segments that follow each other, joined."""
    joined: list[list[Segment]] = []
    for segment in segments:
        assert len(segment.counts) == len(segment.ends_s) > 0
        joined = [*joined[:-1], [*joined[-1], segment]] if segment.follows else [*joined, [segment]]
    return [
        (np.concatenate([each.counts for each in run]), np.concatenate([each.ends_s for each in run])) for run in joined
    ]


def sent(first: int, last: int, units: int = 3) -> np.ndarray:
    return (np.arange(first, last)[:, np.newaxis] + np.arange(units)) % 5


def assert_sent(segments: list[Segment], *ranges: tuple[int, int]) -> None:
    """That these are the bins (first, last) the sender counts, one range a run, a bin apart and rightly far."""
    found = runs(segments)
    assert len(found) == len(ranges)
    origin_s = found[0][1][0] - ranges[0][0] * BIN_S
    for (counts, ends_s), (first, last) in zip(found, ranges, strict=True):
        np.testing.assert_array_equal(counts, sent(first, last))
        np.testing.assert_allclose(ends_s, origin_s + np.arange(first, last) * BIN_S, atol=CLOCKS_S)


@pytest.mark.parametrize("form", ["float32", "double64", "int8", "int16", "int32"])
def test_counts_come_through_in_any_numeric_format_as_one_run(send, stream_name, form):
    sender = send(form=form)
    with LslSpikes(stream_name) as spikes:
        assert spikes.report().state == "silent"
        began_s = pylsl.local_clock()
        segments = []
        for bins in (100, 1, 399):
            obey(sender, f"send {bins}")
            segments += take_until(spikes, partial(has, bins=spikes.report().bins + bins))
        report = spikes.report()
    assert_sent(segments, (0, 500))
    assert {segment.counts.dtype for segment in segments} == {np.dtype(np.uint8)}
    assert abs(segments[0].ends_s[0] - began_s) < 2.0
    assert report.delay_ms is not None
    assert report.longest_delay_ms is not None
    assert report.longest_delay_ms >= report.delay_ms
    assert has(report, state="live", bins=500, gaps=0, lost_bins=0, invalid_bins=0, restarts=0, refused="")


def test_a_stream_is_described_as_far_as_it_tells(send, stream_name):
    send(own=OWN, labels=["a", "b", "c"])
    with LslSpikes(stream_name) as spikes:
        told = described(spikes)
    assert told == StreamDescription(
        stream_name,
        "Spikes",
        ("a", "b", "c"),
        BIN_S,
        told.hostname,
        told.uid,
        "tiny",
        "a" * 64,
        7,
        20,
        12.5,
        "",
        3,
        OWN["version"],
    )
    assert told.hostname
    assert told.uid


@pytest.mark.parametrize(
    "told",
    [
        {"labels": ["only one"], "own": {**OWN, "seed": "seven"}},
        {"labels": ["a", "\x01", "c"], "own": OWN},  # no valid XML
        {"own": {**OWN, "seed": "9" * 400}},
        {"own": {**OWN, "step_bins": "9" * 400}},
        {"kind": ""},
    ],
)
def test_a_description_that_cant_be_read_counts_as_foreign(send, stream_name, told):
    send(**told)
    with LslSpikes(stream_name) as spikes:
        assert described(spikes).unit_names == ("unit 0", "unit 1", "unit 2")
        assert (described(spikes).sha256, described(spikes).seed) == (None, None)


def test_one_skipped_bin_of_our_own_stream_is_a_gap(send, stream_name):
    send("send 50", "skip 1", "send 50", "skip 1000", "send 50", own=OWN)
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=150))
        assert has(spikes.report(), gaps=2, lost_bins=1001)
    assert_sent(segments, (0, 50), (51, 101), (1101, 1151))


def test_jitter_of_a_foreign_stream_is_no_gap_but_a_longer_jump_is(send, stream_name):
    send("send 500 8", "skip 40", "send 500 8")
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=1000))
        assert spikes.report().gaps == 1
        assert abs(spikes.report().lost_bins - 40) <= 16  # the jitter of both sides
    np.testing.assert_array_equal(runs(segments)[0][0], sent(0, 500))
    np.testing.assert_array_equal(runs(segments)[1][0], sent(540, 1040))


def test_what_is_no_count_is_left_out_as_a_gap_and_counted(send, stream_name):
    bad = ["nan", "inf", "-inf", "-1", "0.5", "1001", "65536", "1e30"]
    send("send 10", *(f"put {each}" for each in bad), "send 10", "put nan", "put 1000", "send 10")
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=31))
        assert has(spikes.report(), invalid_bins=9, gaps=2, lost_bins=0, saturated_bins=0)
    (first, _), (second, _), (third, _) = runs(segments)
    np.testing.assert_array_equal(first, sent(0, 10))
    np.testing.assert_array_equal(second, sent(18, 28))
    np.testing.assert_array_equal(third, np.concatenate([np.full((1, 3), 1000), sent(30, 40)]))


@pytest.mark.parametrize("stamp", ["nan", "inf"])
def test_a_bin_whose_stamp_is_no_time_is_placed_by_its_number(send, stream_name, stamp):
    send("send 10", f"stamp {stamp}", "send 10", own=OWN)
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=21))
        assert has(spikes.report(), invalid_bins=0, gaps=0, lost_bins=0)
        assert any("stamps that are no numbers: 1 of 21 are" in warning for warning in spikes.report().warnings)
    ((counts, ends_s),) = runs(segments)
    np.testing.assert_array_equal(counts, np.concatenate([sent(0, 10), np.ones((1, 3)), sent(11, 21)]))
    np.testing.assert_allclose(np.diff(ends_s), BIN_S, atol=CLOCKS_S)


@pytest.mark.parametrize(("form", "saturated"), [("int8", 2), ("int16", 0)])
def test_only_in_int8_does_127_stand_for_more(send, stream_name, form, saturated):
    send("send 10", "put 127", "put 127", "put -3", "put 126", "send 9", form=form)
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=22 - saturated))
        assert has(spikes.report(), saturated_bins=saturated, invalid_bins=1, gaps=1)
    assert [len(counts) for counts, _ in runs(segments)] == [12 - saturated, 10]


def test_a_killed_stream_gives_way_to_the_next_run_that_fits(send, stream_name):
    labels = ["a", "b", "c"]
    killed = send("send 100", own=OWN, labels=labels)
    with LslSpikes(stream_name) as spikes:
        first = take_until(spikes, partial(has, bins=100))
        killed.kill()
        assert not take_until(spikes, partial(has, state="absent"))
        assert described(spikes).sha256 == "a" * 64  # of the latest segments

        for why, options in {
            "expected 3 units as before, found 4": {"units": 4, "labels": [*labels, "d"]},
            "found texts": {"form": "string"},
        }.items():
            other = send(source="another", **options)
            take_until(spikes, partial(refuses, why=why))
            assert has(spikes.report(), state="absent", restarts=0)
            other.kill()

        send("send 100", own=OWN | {"sha256": "b" * 64, "seed": "8"}, labels=labels)
        second = take_until(spikes, partial(has, bins=200))
        assert has(spikes.report(), state="live", restarts=1, gaps=0, lost_bins=0, refused="")
        assert (described(spikes).sha256, described(spikes).seed) == ("b" * 64, 8)
    for segments in (first, second):
        assert_sent(segments, (0, 100))


def test_a_stream_that_falls_silent_is_told_and_goes_on_with_a_gap(send, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_spikes, "SILENT_AFTER_S", 0.2)
    sender = send("send 100")
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=100))
        assert spikes.report().state == "live"
        segments += take_until(spikes, partial(has, state="silent"))
        obey(sender, "skip 300")
        obey(sender, "send 100")
        segments += take_until(spikes, partial(has, bins=200))
        assert has(spikes.report(), state="live", gaps=1, lost_bins=300, restarts=0)
    assert_sent(segments, (0, 100), (400, 500))


def test_a_silent_stream_that_no_longer_answers_gives_way_to_one_that_does(send, stream_name):
    stopped = send("run")
    with LslSpikes(stream_name) as spikes:
        take_until(spikes, lambda report: report.bins > 100)
        stopped.send_signal(signal.SIGSTOP)
        take_until(spikes, partial(has, state="silent"))
        send("run")
        take_until(spikes, partial(has, state="live", restarts=1))


def test_who_takes_too_rarely_loses_the_oldest_and_sees_it(send, stream_name, monkeypatch):
    monkeypatch.setattr(lsl_spikes, "BUFFER_S", 1)
    sender = send("send 10", own=OWN)
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=10))
        obey(sender, "send 20000")
        time.sleep(1)
        obey(sender, "send 10")
        segments += take_until(spikes, lambda report: report.bins + report.lost_bins == 20_020)
        assert spikes.report().gaps == len(runs(segments)) - 1 > 0
    (counts, ends_s), *_ = later = runs(segments)
    np.testing.assert_array_equal(counts, sent(0, len(counts)))
    for counts, other_s in later:
        first = round((other_s[0] - ends_s[0]) / BIN_S)
        np.testing.assert_array_equal(counts, sent(first, first + len(counts)))


def test_who_takes_rarely_keeps_the_connection_and_every_bin(send, stream_name, monkeypatch):
    monkeypatch.setattr(follower, "STALE_S", 0.3)
    monkeypatch.setattr(follower, "FORGET_S", 0.3)
    sender = send("send 100", own=OWN)
    with LslSpikes(stream_name) as spikes:
        segments = take_until(spikes, partial(has, bins=100))
        obey(sender, "send 2500")
        time.sleep(2)
        late = take_until(spikes, partial(has, bins=2600))
        assert max(len(segment.counts) for segment in late) <= 1000
        assert spikes.report().state == "live"
        obey(sender, "send 100")
        segments += [*late, *take_until(spikes, partial(has, bins=2700))]
        assert has(spikes.report(), gaps=0, restarts=0)
    assert_sent(segments, (0, 2700))


def test_one_may_begin_before_the_stream_and_leave_without_it(send, stream_name):
    with LslSpikes(stream_name, wait=True) as spikes:
        assert spikes.description is None
        assert spikes.pull() == ()
        assert spikes.report().state == "absent"
        send("send 100")
        segments = take_until(spikes, partial(has, bins=100))
        assert spikes.description is not None
        assert spikes.report().restarts == 0
    assert_sent(segments, (0, 100))
    with LslSpikes("nobody", wait=True) as spikes:
        time.sleep(0.3)
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 30  # else it looked for ever
    assert "spikeloop-spikes" not in [each.name for each in threading.enumerate()]


def test_a_stream_that_is_not_there_is_told_with_those_that_are(send, stream_name):
    send()
    with (
        pytest.raises(BadInputError, match=f"named 'nobody' .* found .*'{stream_name}' \\(Spikes, .*start its"),
        LslSpikes("nobody", 1.0),
    ):
        pass
    assert "spikeloop-spikes" not in [each.name for each in threading.enumerate()]


@pytest.mark.parametrize(
    ("suffix", "options", "found"),
    [
        ("-Events", {"kind": "SpikeEvents", "bin_s": 0}, "found SpikeEvents \\(the counts are in 'NAME'\\); name a"),
        ("", {"kind": "Fluorescence"}, "expected spike counts, found Fluorescence; name a stream of counts"),
    ],
)
def test_a_stream_of_something_else_is_told(send, stream_name, suffix, options, found):
    send(name=stream_name + suffix, **options)
    with (
        pytest.raises(BadInputError, match=found.replace("NAME", stream_name)),
        LslSpikes(stream_name + suffix, 1.0),
    ):
        pass


@pytest.mark.parametrize(
    ("info", "found"),
    [
        (("x-Condition", "Condition", 3, 1000.0, "float32"), "found Condition (the counts are in 'x')"),
        (("x-Markers", "Markers", 1, 0.0, "string"), "found Markers (the counts are in 'x')"),
        (("x-Broadband", "Broadband", 96, 30000.0, "int16"), "found Broadband (the counts are in 'x')"),
        (("x-Monitor", "Monitor", 9, 0.0, "float32"), "found Monitor"),
        (("x", "EEG", 3, 0.0, "float32"), "expected bins at a regular rate"),
        (("x", "EEG", 3, 1e-310, "float32"), "expected bins at a regular rate"),
        (("x", "EEG", 3, 1000.0, "string"), "found texts"),
        (("x", "EEG", 0, 1000.0, "float32"), "found no channels"),
        (("x", "EEG", 3, 1e9, "int8"), "expected at most 100 MB a second"),
    ],
)
def test_what_no_stream_of_counts_has_is_told(info, found):
    with pytest.raises(BadInputError, match=re.escape(found)):
        check_counts(pylsl.StreamInfo(*info))


# On a network of its own, as any other stream of spikes would be one too many.
ALONE = """
import pylsl
from rich.console import Console
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.lsl.spikes import LslSpikes
from spikeloop.streamer.lsl.stream_query import StreamQuery
from spikeloop.streamer.monitor.run import Outputs, Watch
from spikeloop.streamer.monitor.subject import MonitorSettings
def outlet(name, kind):
    return pylsl.StreamOutlet(pylsl.StreamInfo(name, kind, 2, 1000.0, "float32", name))
def tries(within_s):
    try:
        with LslSpikes(None, within_s) as spikes:
            print("follows", spikes.name, spikes.description.name)
    except BadInputError as error:
        print(error)
one = outlet("one", "EEG")
tries(1.0)
two = outlet("two", "Spikes")
tries(10.0)
with Watch(StreamQuery(None), False, MonitorSettings(), Outputs(False, 0), Console(width=300)) as watch:
    watch.run(1.5)
three = outlet("three", "Spikes")
tries(1.5)
"""


def test_without_a_name_the_only_stream_of_spikes_is_followed(start, tmp_path):
    config = tmp_path / "lsl_api.cfg"
    config.write_text(f"[lab]\nSessionID={tmp_path.name}{os.getpid()}\n[log]\nlevel=-3\n")
    alone = start(program=ALONE, env=os.environ | {"LSLAPICFG": str(config)})
    printed, errors = alone.communicate(timeout=280)
    assert alone.returncode == 0, errors
    assert not errors
    none, one, watched, several = printed.splitlines()
    assert none.startswith("expected one LSL stream of type Spikes within 1 s, found 'one' (EEG, ")
    assert one == "follows two two"
    assert re.search(r"follows 'two' from host '.+', source_id 'two', the only stream of type Spikes$", watched)
    assert "found 2 of them, 'three' (Spikes, " in several
    assert "'two' (Spikes, " in several
    assert several.endswith("; name the stream to follow")


def test_what_comes_from_stream_is_what_generate_writes(start, bundle_path, stream_name, tmp_path):
    options = ["--duration", 1, "--seed", 7]
    stream = start("stream", bundle_path, "--name", stream_name, "--start-delay", 3, *options)
    with LslSpikes(stream_name, 20) as spikes:
        segments = take_until(spikes, partial(has, bins=1000))
        told, report = described(spikes), spikes.report()
    stream.communicate(timeout=280)
    made = generated(bundle_path, tmp_path / "made.npz", *options)
    ((counts, ends_s),) = runs(segments)
    np.testing.assert_array_equal(counts, made)
    assert (told.seed, told.step_bins, len(told.unit_names), told.bin_size_s) == (7, 20, 96, 0.001)
    assert told.start_s is not None
    np.testing.assert_allclose(ends_s, told.start_s + np.arange(1, 1001) * 0.001, atol=CLOCKS_S)
    assert has(report, gaps=0, lost_bins=0, invalid_bins=0)


def generated(bundle: Path, out: Path, *options: object) -> np.ndarray:
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in ("generate", bundle, *options, "--out", out)])
    assert stopped.value.code == 0
    with np.load(out) as archive:
        return archive["spikes"]


ENDS_WITHIN = """
import atexit, sys, threading
atexit.register(lambda: print(*(thread.name for thread in threading.enumerate())))
from spikeloop.streamer.lsl.spikes import LslSpikes
LslSpikes(sys.argv[1], wait=True).__enter__()
"""


def test_a_program_that_ends_without_leaving_it_ends_its_thread_first(start, stream_name):
    """As where Ctrl-C arrives between entering and what would leave: LSL aborts if a thread is inside of it then."""
    program = start(stream_name, program=ENDS_WITHIN)
    printed, errors = program.communicate(timeout=280)
    assert (program.returncode, errors) == (0, "")
    assert "spikeloop-spikes" not in printed
    assert "MainThread" in printed
