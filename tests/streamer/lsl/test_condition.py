"""A live condition from real LSL outlets in other processes, that err, die and return."""

import asyncio
import signal
import subprocess
import threading
import time
from functools import partial

import numpy as np
import pylsl
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.lsl import follower
from spikeloop.streamer.lsl.condition import LslCondition
from spikeloop.streamer.lsl.samples import MOST_SAMPLES
from tests.support.at_once import at_once

CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
REST = [0.0, 0.5]

# Obeys lines: "send X Y ..." (X may be "STAMP@X", relative to now), "repeat X Y ..." at 100 Hz, "flood
# CHUNKS": so many of 1000 samples, as fast as it can, and from then on that number at 100 Hz.
SENDER = """
import sys, time, numpy as np, pylsl
name, channels, form, rate, source = sys.argv[1:]
number = {"string": str, "int16": int, "int64": int}.get(form, float)
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Condition", int(channels), float(rate), form, source))
print("up", flush=True)
for line in sys.stdin:
    word, *values = line.split()
    ahead, _, values[0] = values[0].rpartition("@")
    sample = [number(value) for value in values]
    if word == "flood":
        outlet.wait_for_consumers(60)
        for k in range(int(sample[0])):
            outlet.push_chunk(np.full((1000, int(channels)), k, np.float32))
        print("sent", flush=True)
        word = "repeat"
    outlet.wait_for_consumers(10)
    outlet.push_sample(sample, pylsl.local_clock() + float(ahead or 0))
    while word == "repeat":
        time.sleep(0.01)
        outlet.push_sample(sample)
"""


@pytest.fixture
def send(start, stream_name):
    def sender(*lines: str, channels=2, form="float32", rate=0.0, source="sender") -> subprocess.Popen[str]:
        process = start(stream_name, channels, form, rate, source, program=SENDER, stdin=subprocess.PIPE)
        assert process.stdout.readline() == "up\n"
        for line in lines:
            obey(process, line)
        return process

    return sender


@pytest.fixture
def repeating(send) -> subprocess.Popen[str]:
    return send("repeat 0.5 1")


def obey(sender: subprocess.Popen[str], line: str) -> None:
    assert sender.stdin is not None
    sender.stdin.write(f"{line}\n")
    sender.stdin.flush()


def now_of(condition: LslCondition) -> np.ndarray:
    """The condition of a bin that ends now."""
    return condition.at(np.array([pylsl.local_clock()]))[0]


async def until(condition: LslCondition, met, within_s: float = 30.0) -> np.ndarray:
    """Ask at 200 Hz until what came, or the report, is as wanted; gives the last values."""
    end_s = time.monotonic() + within_s
    while True:
        with at_once():
            values = now_of(condition)
        if met(values, condition.report()):
            return values
        assert time.monotonic() < end_s, (values, condition.report())
        await asyncio.sleep(0.005)


def near(expected, values, report) -> bool:
    return np.allclose(values, expected)


def in_state(state, values, report) -> bool:
    return report.state == state


def refusing(why, values, report) -> bool:
    return why in report.refused


@pytest.mark.parametrize(("form", "rate"), [("double64", 100), ("int16", 0)])
async def test_values_come_through_in_any_numeric_format(send, stream_name, form, rate):
    sender = send(form=form, rate=rate)
    async with LslCondition(stream_name, CHANNELS) as condition:
        np.testing.assert_array_equal(now_of(condition), REST)
        assert condition.report().state == "resting"
        obey(sender, "send 1 -1")
        await until(condition, partial(near, [1, -1]))
        assert (condition.report().state, condition.report().samples) == ("live", 1)


async def test_nothing_holds_up_the_event_loop(repeating, stream_name, blockbuster):
    async with LslCondition(stream_name, CHANNELS) as condition:
        await until(condition, partial(near, [0.5, 1]))
        repeating.kill()
        await until(condition, partial(near, REST))


async def test_bad_values_are_ignored_or_clipped_and_counted(send, stream_name):
    sender = send()
    async with LslCondition(stream_name, CHANNELS, hold_s=60) as condition:
        for line in ("send 0.25 0.75", "send nan 0", "send 0 inf", "send 1e30 -1"):
            obey(sender, line)
        await until(condition, partial(near, [2, -1]))
        report = condition.report()
        assert (report.samples, report.invalid, report.clipped, report.refused) == (4, 2, 1, "")


async def test_a_bin_has_the_sample_of_its_stamp_not_of_its_arrival(send, stream_name):
    sender = send()
    async with LslCondition(stream_name, CHANNELS, hold_s=60) as condition:
        sent_s = pylsl.local_clock()
        obey(sender, "send 0.1 0.1")
        obey(sender, "send 5@0.2 0.2")
        obey(sender, "send 1e6@0.3 0.3")
        await until(condition, lambda values, report: report.samples == 3)
        got = condition.at(np.array([pylsl.local_clock(), sent_s + 10]))
        np.testing.assert_allclose(got, [[0.1, 0.1], [0.2, 0.2]])
        assert condition.report().off_clock == 1


async def test_it_rests_when_its_sender_is_killed_and_follows_the_next_that_fits(send, stream_name):
    killed = send("repeat 0.5 1")
    async with LslCondition(stream_name, CHANNELS, hold_s=0.3, decay_s=0.3) as condition:
        await until(condition, partial(near, [0.5, 1]))
        killed.kill()
        killed_s = time.monotonic()
        await until(condition, partial(in_state, "absent"))
        np.testing.assert_allclose(now_of(condition), [0.5, 1])  # held so far
        await until(condition, partial(near, REST))
        assert time.monotonic() - killed_s > 0.5
        assert condition.report().gaps == 1
        assert condition.report().decaying_bins > 5

        other = send("repeat 0.1 0.2 0.3", channels=3)
        await until(condition, partial(refusing, "expected 2 numbers, found 3 numbers"))
        other.kill()
        texts = send("repeat a b", form="string")
        await until(condition, partial(refusing, "found 2 texts"))
        np.testing.assert_array_equal(now_of(condition), REST)
        assert condition.report().state == "absent"
        texts.kill()

        send("repeat -0.5 0", source="another run")
        await until(condition, partial(near, [-0.5, 0]))
        assert condition.report().state == "live"
    assert condition.report().state == "live"  # as it was when left


async def test_a_silent_stream_that_no_longer_answers_gives_way_to_one_that_does(send, stream_name):
    stopped = send("repeat 0.5 1")
    async with LslCondition(stream_name, CHANNELS, hold_s=0.1, decay_s=0.0) as condition:
        await until(condition, partial(near, [0.5, 1]))
        stopped.send_signal(signal.SIGSTOP)
        await until(condition, partial(in_state, "resting"))
        send("repeat -0.5 0", source="another run")
        await until(condition, partial(near, [-0.5, 0]))


async def test_a_sender_that_pauses_keeps_its_place_also_when_connected_anew(send, stream_name, monkeypatch):
    monkeypatch.setattr(follower, "STALE_S", 0.5)
    sender = send()
    async with LslCondition(stream_name, CHANNELS, hold_s=0.1, decay_s=0.0) as condition:
        obey(sender, "send 0.5 1")
        await until(condition, partial(near, [0.5, 1]))
        await until(condition, partial(in_state, "resting"))
        send("repeat -1 -1", source="namesake")
        await until(condition, lambda values, report: condition._samples.connections >= 3)  # each time to the same
        np.testing.assert_array_equal(now_of(condition), REST)
        obey(sender, "send 1 1")
        await until(condition, partial(near, [1, 1]))


async def test_a_flood_is_taken_in_bounded_bites_and_never_falls_behind(send, stream_name):
    chunks = 300
    sender = send(f"flood {chunks}", channels=1)
    async with LslCondition(stream_name, (Condition("number", "", 0.0, 1000.0),), hold_s=600) as condition:
        assert sender.stdout.readline() == "sent\n"  # which nobody has asked for meanwhile
        bites = []
        while now_of(condition)[0] < chunks:
            bites.append(condition.report().samples - sum(bites))
            await asyncio.sleep(0.005)
    assert max(bites, default=0) <= MOST_SAMPLES
    assert sum(bites) < 0.2 * 1000 * chunks  # the newest does not wait until all before it were taken
    assert condition.report().gaps == 0


async def test_a_stream_that_is_not_there_is_told_with_those_that_are(send, stream_name):
    send()
    before = threading.active_count()
    with pytest.raises(BadInputError, match=f"--condition: .*'nobody' of 2 numbers \\(x, y\\).*'{stream_name}'.*start"):
        async with LslCondition("nobody", CHANNELS, appears_within_s=1.0):
            pass
    assert not [each for each in threading.enumerate()[before:] if each.name == "spikeloop-samples"]


@pytest.mark.parametrize(("options", "found"), [({"channels": 3}, "3 numbers"), ({"form": "string"}, "2 texts")])
async def test_a_stream_of_something_else_is_told(send, stream_name, options, found):
    send(**options)
    with pytest.raises(BadInputError, match=f"'{stream_name}' from .*: expected 2 numbers, found {found}"):
        async with LslCondition(stream_name, CHANNELS, appears_within_s=1.0):
            pass


async def test_it_can_be_left_while_it_looks_for_its_stream(repeating, stream_name):
    async with LslCondition(stream_name, CHANNELS) as condition:
        await until(condition, partial(in_state, "live"))
        repeating.kill()
        await until(condition, partial(in_state, "absent"))
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 30  # else it looked for ever
    assert "spikeloop-samples" not in [each.name for each in threading.enumerate()]


def test_a_model_without_conditions_follows_no_stream():
    with pytest.raises(BadInputError, match="expected a model that is driven by conditions"):
        LslCondition("hand", ())


async def test_samples_of_another_clock_are_told_at_once_and_no_longer_when_theirs_is_right(send, stream_name, caplog):
    sender = send(rate=50)
    async with LslCondition(stream_name, CHANNELS, hold_s=60) as condition:
        obey(sender, "send 1.8e9@0.5 1")
        await until(condition, lambda values, report: bool(report.notice))
        report = condition.report()
        assert report.notice.startswith("another clock: its stamps are 57 years ahead of LSL's clock; its samples are")
        assert (report.off_clock, report.state) == (1, "resting")
        assert condition.describe(0)["notice"] == report.notice
        await until(condition, lambda values, report: stream_name in caplog.text)
        obey(sender, "send -1000@0.5 1")
        await until(condition, lambda values, report: "17 minutes behind LSL's clock" in report.notice)
        obey(sender, "send 0.5 1")
        await until(condition, partial(near, [0.5, 1]))
        assert condition.report().notice == ""
    assert caplog.text.count("another clock") == 1


async def test_of_two_namesakes_the_one_that_sends_drives_and_the_other_is_told(send, stream_name):
    send(source="first")
    async with LslCondition(stream_name, CHANNELS, hold_s=60) as condition:
        send("repeat 0.5 1", source="second")
        await until(condition, partial(near, [0.5, 1]))
        await until(condition, lambda values, report: bool(report.notice))
        notice = condition.report().notice
    assert "source_id 'second' is followed: also there is one from host " in notice
    assert notice.endswith(f"source_id 'first'; choose with lsl:{stream_name}?source_id=ID&host=HOST")


async def test_a_namesake_is_chosen_by_its_source_id(send, stream_name):
    send("repeat 0.5 1", source="first")
    send("repeat -0.5 0", source="second")
    for source_id, values in (("first", [0.5, 1]), ("second", [-0.5, 0])):
        async with LslCondition(f"{stream_name}?source_id={source_id}", CHANNELS, 60, 0, 30.0) as condition:
            await until(condition, partial(near, values))
            assert condition.report().notice == ""
