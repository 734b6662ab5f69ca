"""The command as a process, beside real streams that end, return, or were never spikeloop's."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pylsl
import pytest

from spikeloop.__main__ import main
from spikeloop.streamer.monitor.figures import FIGURES
from tests.support.command_line import fails
from tests.support.foreign_sender import KINDS, RATES_HZ
from tests.support.places import SUPPORT

WITHIN_S = 200.0
FOREIGN = SUPPORT / "foreign_sender.py"

# Poisson counts of known rates from an amplifier of some make.
AMPLIFIER = """
import sys, time, numpy as np, pylsl
rates_hz, bin_s = np.array([20.0, 50.0, 10.0]), 0.005
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "EEG", 3, 1 / bin_s, "int16", sys.argv[1]))
random, start_s, k = np.random.Generator(np.random.Philox(1)), pylsl.local_clock(), 0
print("up", flush=True)
while True:
    bins = int((pylsl.local_clock() - start_s) / bin_s) - k
    if bins > 0:
        counts = random.poisson(rates_hz * bin_s, (bins, 3)).astype(np.int16)
        outlet.push_chunk(counts, (start_s + (np.arange(k, k + bins) + 1) * bin_s).tolist())
        k += bins
    time.sleep(0.02)
"""


class Figures:
    """What NAME-Monitor tells, by label."""

    def __init__(self, stream: str) -> None:
        found = pylsl.resolve_byprop("name", f"{stream}-Monitor", timeout=WITHIN_S)
        self._inlet = pylsl.StreamInlet(found[0], recover=False)
        self._inlet.open_stream(10)

    def until(self, met: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        end_s = time.monotonic() + WITHIN_S
        while time.monotonic() < end_s:
            values, _ = self._inlet.pull_sample(timeout=WITHIN_S)
            if values is not None and met(
                told := {figure.key: value for figure, value in zip(FIGURES, values, strict=True)}
            ):
                return told
        raise AssertionError("the figures did not come")


def ends(process: subprocess.Popen[str], within_s: float = WITHIN_S) -> tuple[int, str, str]:
    printed, errors = process.communicate(timeout=within_s)
    assert "Traceback" not in errors
    return process.returncode, printed, errors


def gone(name: str) -> bool:
    return not pylsl.resolve_byprop("name", name, timeout=0.3)


def child_of(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end_s = time.monotonic() + WITHIN_S
    while not (found := children.read_text().split()):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    return int(found[0])


def wait_for_end(pid: int) -> None:
    end_s = time.monotonic() + WITHIN_S
    while Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_it_tells_everything_beside_a_stream_and_through_its_restart(start, stream_name, tmp_path):
    killed = start("stream", "retina", "--name", stream_name)
    page = tmp_path / "state.html"
    monitor = start("monitor", stream_name, "--wait", "--json", "--snapshot", page)
    port = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", monitor.stderr.readline())
    assert port is not None
    figures = Figures(stream_name)
    first = figures.until(lambda told: told["bins"] > 100 and told["importance"] > 0 and told["mean_ratio"] > 0)
    figures.until(lambda told: told["bins"] > first["bins"])
    with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    served = re.search(rf'^spikeloop_bins_total{{stream="{stream_name}"}} (\S+)$', metrics, re.MULTILINE)
    assert served is not None
    assert float(served[1]) >= first["bins"]

    killed.kill()
    start("stream", "retina", "--name", stream_name, "--seed", 1)
    figures.until(lambda told: told["restarts"] == 1 and told["bins"] > first["bins"] + 64)
    monitor.send_signal(signal.SIGINT)
    code, printed, errors = ends(monitor)
    assert code == 130, errors
    document = json.loads(printed)
    assert (document["stream"]["bundle"], document["stream"]["seed"]) == ("retina", 1)
    assert document["reference"].startswith("retina, trained on")
    assert document["reception"]["restarts"] == 1
    assert document["reception"]["bins"] == document["figures"]["bins"]
    assert document["figures"]["bins"] > first["bins"] + 64
    assert document["windows"] * 32 <= document["figures"]["bins"]
    assert document["figures"]["alarms"] == document["alarms_raised"] == 0
    assert 0 < document["importance"]["maps"] <= document["windows"]
    assert document["deviations"]["rates"]["total"]["ratio"] > 0
    assert len(document["units"]["rate_hz"]) == 50
    notices = " ".join(document["notices"])  # what the alarm can't see soon
    assert "units fire so rarely that an alarm may take more than 60 s" in notices
    assert "units fire so rarely that the alarm of a halved rate may take more than 60 s" in notices
    assert "</html>" in page.read_text()
    assert gone(f"{stream_name}-Monitor")


def test_it_ends_after_its_duration_or_when_asked_to_and_a_second_one_is_no_harm(start, stream_name):
    start("stream", "retina", "--name", stream_name)
    bare = ["--json", "--importance", "none", "--reference", "none"]
    first = start("monitor", stream_name, "--wait", *bare, "--metrics", 0)
    Figures(stream_name).until(lambda told: told["bins"] > 0)
    second = start("monitor", stream_name, *bare, "--duration", 3)
    code, printed, errors = ends(second)
    assert code == 0
    assert "/metrics" in errors
    assert f"not published: a stream named '{stream_name}-Monitor' is already on the network" in errors
    document = json.loads(printed)
    assert document["figures"]["bins"] > 0
    assert (document["importance"], document["reference"], document["notices"]) == (None, "", [])
    assert document["watched_s"] > 2.5
    first.send_signal(signal.SIGTERM)
    code, printed, errors = ends(first)
    assert code == 130, errors
    assert "http" not in errors
    assert json.loads(printed)["figures"]["bins"] > document["figures"]["bins"]
    assert gone(f"{stream_name}-Monitor")


def test_a_stream_that_is_not_there_is_told_or_waited_for(start, stream_name):
    quick = start("monitor", stream_name, "--json")
    patient = start("monitor", stream_name, "--wait", "--duration", 1, "--json")
    code, printed, errors = ends(patient)
    assert (code, json.loads(printed)) == (0, {"stream": stream_name, "state": "absent"})
    code, printed, errors = ends(quick)
    assert (code, printed) == (2, "")
    assert f"expected an LSL stream named '{stream_name}' within 5 s" in errors
    assert "start its sender first" in errors


def test_ctrl_c_at_any_moment_ends_it_also_while_it_waits_as_it_says(start, stream_name):
    moments_s = [0.05, 0.3, 0.8]
    up = "from spikeloop.__main__ import main; print('up', flush=True); main()"
    monitors = [start("monitor", stream_name, "--wait", "--metrics", 0, program=up) for _ in [*moments_s, None]]
    *early, waiting = monitors
    for monitor, moment_s in zip(early, moments_s, strict=True):
        assert monitor.stdout.readline() == "up\n"
        time.sleep(moment_s)
        monitor.send_signal(signal.SIGINT)
    assert waiting.stderr.readline() == f"waiting for '{stream_name}'\n"
    waiting.send_signal(signal.SIGINT)
    assert [ends(monitor)[0] for monitor in monitors] == [130] * len(monitors)


def test_a_foreign_stream_of_counts_is_compared_with_its_beginning(start, stream_name):
    amplifier = start(stream_name, program=AMPLIFIER)
    assert amplifier.stdout.readline() == "up\n"
    options = ["--reference", "start", "--baseline", 2, "--window-bins", 20, "--metrics", 0]
    monitor = start("monitor", stream_name, *options, "--json")
    Figures(stream_name).until(lambda told: told["bins"] > 800 and told["mean_ratio"] > 0)
    monitor.send_signal(signal.SIGINT)
    code, printed, errors = ends(monitor)
    assert code == 130, errors
    document = json.loads(printed)
    assert (document["stream"]["sha256"], document["stream"]["type"]) == (None, "EEG")
    assert re.fullmatch(r"the stream's first 2(\.\d+)? s", document["reference"])  # what was there when 2 s had passed
    assert [each for each in document["notices"] if "no alarm: drift alarm: expected a sample of at least" in each]
    assert document["alarms_raised"] == 0
    assert document["figures"]["alarm_score"] is None
    assert document["importance"] is None
    assert document["units"]["rate_hz"] == pytest.approx([20, 50, 10], rel=0.4)
    assert document["deviations"]["rates"]["recent"]["ratio"] > 0
    assert (document["reception"]["gaps"], document["reception"]["lost_bins"]) == (0, 0)


def watched(start, stream_name: str, kind: str, *options: object, until: int = 250) -> tuple[dict, str]:
    """The document and the lines of a monitor of a foreign sender, when it counted so many bins."""
    sender = start(stream_name, kind, script=FOREIGN)
    assert sender.stdout.readline() == "up\n"
    monitor = start("monitor", stream_name, "--json", "--metrics", 0, "--reference", "none", *options)
    Figures(stream_name).until(lambda told: told["bins"] + told["invalid_bins"] > until)
    monitor.send_signal(signal.SIGINT)
    code, printed, errors = ends(monitor)
    assert code == 130, errors
    return json.loads(printed), errors


@pytest.mark.parametrize("kind", ["late", "reset"])
def test_statistics_of_jittered_stamps_are_those_of_a_clean_stream(start, stream_name, kind):
    document, errors = watched(start, stream_name, kind, until=320)
    reception = document["reception"]
    assert (reception["lost_bins"], reception["gaps"]) == (0, 1 if kind == "reset" else 0)
    assert f"{document['windows']}" != "0"
    random = np.random.Generator(np.random.Philox(7))
    declared_hz, true_hz = KINDS[kind]
    sent = np.stack([random.poisson(RATES_HZ / true_hz) for _ in range(4096)])
    bins = document["windows"] * document["window_bins"]
    if kind != "reset":  # its second piece begins amid a window
        means_hz = sent[:bins].mean(axis=0) * declared_hz
        assert document["units"]["rate_hz"] == pytest.approx(means_hz.tolist(), rel=0.01)
    assert ("another clock: " in errors) == (kind == "reset")
    assert ("clock reset: " in errors) == (kind == "reset")
    assert (reception["delay_ms"] is None) == reception["other_clock"] == (kind == "reset")


def test_rates_are_per_true_second_where_the_declared_rate_is_wrong(start, stream_name):
    document, _ = watched(start, stream_name, "fast", until=400)
    true_hz = document["reception"]["true_rate_hz"]
    low_hz, high_hz = document["reception"]["true_rate_interval_hz"]
    assert low_hz < 31.3 < high_hz
    assert document["figures"]["true_rate_hz"] == true_hz == pytest.approx(31.3, rel=0.005)
    random = np.random.Generator(np.random.Philox(7))
    sent = np.stack([random.poisson(RATES_HZ / 31.3) for _ in range(document["windows"] * document["window_bins"])])
    assert document["units"]["rate_hz"] == pytest.approx((sent.mean(axis=0) * true_hz).tolist(), rel=1e-6)


def test_a_voltage_is_told_at_once_with_what_to_do(start, stream_name):
    document, errors = watched(start, stream_name, "voltage", until=1000)
    assert errors.count("no whole counts: ") == 1
    assert "look like a voltage; detect its spikes and send their number" in errors
    assert "no whole counts  lost 0  invalid " in errors
    assert document["notices"][0].startswith("no whole counts: ")
    assert document["windows"] == 0


def test_a_namesake_is_chosen_by_its_source_id(start, stream_name):
    silent = start(stream_name, "silent", 120, "first", script=FOREIGN)
    assert silent.stdout.readline() == "up\n"
    document, errors = watched(start, stream_name, "clean", "--source-id", f"{stream_name}-clean", until=20)
    assert document["reception"]["bins"] > 0
    assert "streams are named" not in errors
    code, printed, errors = ends(start("monitor", stream_name, "--host", "nowhere", "--json"))
    assert (code, printed) == (2, "")
    assert f"expected an LSL stream named '{stream_name}' with host 'nowhere' within 5 s" in errors


def test_a_stream_tells_what_its_monitor_saw(start, stream_name):
    stream = start("stream", "retina", "--name", stream_name, "--monitor", "--json")
    figures = Figures(stream_name).until(lambda told: told["bins"] > 64)
    stream.send_signal(signal.SIGINT)
    code, printed, errors = ends(stream)
    assert code == 130, errors
    document = json.loads(printed)
    seen = document["monitor"]
    assert (seen["stream"]["name"], seen["stream"]["sha256"]) == (stream_name, document["sha256"])
    assert figures["bins"] <= seen["figures"]["bins"] <= document["bins"]
    assert seen["reception"]["gaps"] == 0
    assert gone(f"{stream_name}-Monitor")


def test_a_killed_monitor_is_no_harm_to_its_stream(start, stream_name):
    stream = start("stream", "retina", "--name", stream_name, "--monitor", "--duration", 2, "--json")
    monitor = child_of(stream)
    assert pylsl.resolve_byprop("name", stream_name, timeout=WITHIN_S)
    os.kill(monitor, signal.SIGKILL)
    code, printed, _ = ends(stream)
    document = json.loads(printed)
    assert (code, document["monitor"], document["bins"]) == (0, None, 100)


def test_a_killed_stream_takes_its_monitor_along(start, stream_name):
    """Even from a shell's background, where Ctrl-C is ignored."""
    stream = start(
        "stream", "retina", "--name", stream_name, "--monitor",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    monitor = child_of(stream)
    Figures(stream_name).until(lambda told: told["bins"] > 0)
    stream.kill()
    wait_for_end(monitor)
    assert gone(f"{stream_name}-Monitor")


def test_a_page_that_can_not_be_written_is_told_before_the_stream_is_looked_for(stream_name, tmp_path, capsys):
    (tmp_path / "file").touch()
    page = tmp_path / "file" / "state.html"
    code, told = fails(capsys, "monitor", stream_name, "--snapshot", page, "--duration", 1, "--json")
    assert (code, f"could not write {page} (" in told) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--half-life", 0], "--half-life: expected more than 0, found 0"),
        (["--half-life", "nan"], "--half-life: expected more than 0, found nan"),
        (["--false-alarms", -1], "--false-alarms: expected more than 0, found -1"),
        (["--baseline", 0], "--baseline: expected more than 0"),
        (["--snapshot-every", 0], "--snapshot-every: expected more than 0"),
        (["--duration", 0], "--duration: expected more than 0 s, found 0"),
        (["--duration", "inf"], "--duration: expected more than 0 s, found inf"),
        (["--window-bins", 1], "--window-bins: expected 2 to 65536, found 1"),
        (["--snapshot", "state.pdf"], "--snapshot: expected a file ending in .html, found state.pdf"),
        (["--metrics", 70_000], "expected a port from 0 to 65535, found 70000"),
        (["--wait", "--reference", "nowhere"], "nowhere"),
        (["--wait", "--bundle", "nowhere"], "nowhere"),
    ],
)
def test_options_out_of_range_are_told(stream_name, capsys, options, message):
    with pytest.raises(SystemExit) as stopped:
        main(["monitor", stream_name, *map(str, options)])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == ""
    assert message in printed.err
    assert "Traceback" not in printed.err


def test_unknown_options_exit_2():
    for arguments in (["--halflife", "1"], ["--importance", "gradient"], ["--publish", "mqtt"]):
        with pytest.raises(SystemExit) as stopped:
            main(["monitor", *arguments])
        assert stopped.value.code == 2
