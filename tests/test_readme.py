"""Every command and program of the README, run."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.streamer.mqtt.broker import Mosquitto

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [line.split("#")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
PROGRAMS = [block for kind, block in BLOCKS if kind == "python"]
SHORTENED = {"--minutes 10": "--steps 3", "--trials 64": "--trials 8", "--trials 32": "--trials 4"}  # for a test


def run(command: str, folder: Path, timeout: float = 110) -> subprocess.CompletedProcess[str]:
    """A `spikeloop ...` line as a shell in that folder would run it."""
    for long, short in SHORTENED.items():
        command = command.replace(long, short)
    shell = f"{sys.executable} -c 'from spikeloop.streamer.commands.main import main; main()' "
    outcome = subprocess.run(
        shell + command.removeprefix("spikeloop "),
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome


def test_there_is_a_test_for_every_command_of_the_readme():
    """`make test` is what runs this; the others are run below."""
    tested = {
        "make stream",
        "make test",
        "make demo-hardware",
        *PIP,
        *(line for line in SHELL if line.startswith("spikeloop ")),
    }
    assert set(SHELL) == tested
    assert OWN
    assert STEERED


SPIKELOOP = [line for line in SHELL if line.startswith("spikeloop ")]
OWN = [line for line in SPIKELOOP if "mine" in line]
LIVE = [line for line in SPIKELOOP if "lsl:" in line]
WATCHED = [line for line in SPIKELOOP if "monitor" in line]
MAPPED = [line for line in SPIKELOOP if line.startswith("spikeloop importance")]
HARDWARE = [line for line in SPIKELOOP if "mqtt" in line]
LOOPED = [line for line in SPIKELOOP if line.split()[1] in ("closedloop", "decode")]
STEERED = [
    line for line in SPIKELOOP if "mine" not in line and line not in (*LIVE, *WATCHED, *MAPPED, *LOOPED, *HARDWARE)
]
PIP = [line for line in SHELL if line.startswith("pip install")]


@pytest.mark.parametrize("command", PIP)
def test_what_is_to_be_installed_resolves(command):
    """By pip itself, without installing; needs no network where all is there already."""
    pip = f"{sys.executable} -m pip --disable-pip-version-check "
    command = command.replace("pip install", f"{pip} install --dry-run --no-build-isolation")
    outcome = subprocess.run(command, shell=True, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "Would install spikeloop-" in outcome.stdout


@pytest.mark.timeout(600)
def test_one_command_streams_on_a_fresh_clone(tmp_path, stream_name):
    """With nothing but Python, pip and make: `make stream` sets itself up, without torch."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, tmp_path / "clone"], check=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    outcome = subprocess.run(
        ["make", "stream", f"ARGS=--duration 1 --name {stream_name} --json"],
        cwd=tmp_path / "clone", env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    if outcome.returncode and "No matching distribution" in outcome.stderr and not os.environ.get("CI"):
        pytest.skip("pip reaches no package index from here")
    assert outcome.returncode == 0, outcome.stderr
    assert '"bins": 50' in outcome.stdout
    assert not list((tmp_path / "clone" / ".venv").glob("lib/python*/site-packages/torch"))


def test_a_recording_of_ones_own_becomes_a_stream(tmp_path):
    (program,) = (each for each in PROGRAMS if "savez" in each)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert [command.split()[1] for command in OWN] == ["train", "export", "stream", "evaluate"]
    for command in OWN:
        run(command, tmp_path)


def test_the_shipped_bundles_are_steered_one_command_after_the_other(tmp_path):
    for command in STEERED:
        run(command, tmp_path)
    first, again = (np.load(tmp_path / name) for name in ("down.npz", "again.npz"))
    np.testing.assert_array_equal(first["spikes"], again["spikes"])
    assert (first["condition"] == [0, -15]).all()


def test_a_stream_is_watched_from_two_terminals(tmp_path, start):
    stream, monitor = (each.split()[1:] for each in WATCHED)
    streaming = start(*stream, cwd=tmp_path)
    watching = start(*monitor, "--wait", cwd=tmp_path)
    streaming.communicate(timeout=90)
    assert streaming.returncode == 0
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=30)
    assert watching.returncode == 130, told
    assert "spikeloop" in (tmp_path / "now.html").read_text()


def test_the_recorded_retina_is_mapped(tmp_path, data_folder):
    (command,) = MAPPED
    run(f"{command} --windows 5".replace("--windows 100", ""), tmp_path)
    with np.load(tmp_path / "maps.npz") as found:
        assert found["maps"].shape == (5, 32, 50)
    assert (tmp_path / "maps.svg").stat().st_size > 10_000


@pytest.mark.parametrize("command", LOOPED)
def test_decoders_are_compared_in_the_loop_and_offline(command, tmp_path, data_folder):
    shown = run(command, tmp_path).stdout
    decoders = re.search(r"--decoder ((?:[\w:]+ ?)+)", command)
    assert all(decoder in shown for decoder in (decoders[1].split() if decoders else ["kalman"]))
    if report := re.search(r"--report (\S+)", command):
        assert "<svg" in (tmp_path / report[1]).read_text()


def test_a_device_stimulates_a_stream_over_a_broker(tmp_path, start):
    stream, device = HARDWARE
    with Mosquitto(tmp_path) as broker:
        streaming, stimulating = (
            start(*each.replace("mqtt://localhost", broker.url).split()[1:], "--duration", 8, "--json")
            for each in (stream, device)
        )
        told, errors = streaming.communicate(timeout=60)
        assert streaming.returncode == 0, errors
        assert json.loads(told)["mqtt"]["published"] > 400
        told, errors = stimulating.communicate(timeout=60)
        assert stimulating.returncode == 0, errors


def test_a_program_of_ones_own_steers_a_stream(tmp_path):
    (program,) = (each for each in PROGRAMS if "StreamOutlet" in each)
    (command,) = LIVE
    sender = subprocess.Popen([sys.executable, "-c", program])
    try:
        shown = run(f"{command} --json", tmp_path).stdout
    finally:
        sender.kill()
        sender.wait()
    condition = json.loads(shown)["condition"]
    assert condition["samples"] > 100
    assert condition["invalid"] == condition["clipped"] == condition["resting_bins"] == 0


def test_the_subscriber_prints_every_bin(start, bundle_path):
    (program,) = (each for each in PROGRAMS if "StreamInlet" in each)
    assert len(program.splitlines()) <= 10
    subscriber = subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True)
    stream = start("stream", bundle_path)  # under its default name, as in the README
    try:
        assert subscriber.stdout is not None
        lines = [subscriber.stdout.readline() for _ in range(20)]
    finally:
        subscriber.kill()
        subscriber.communicate()
        stream.kill()
    stamps = [
        float(match[1]) for line in lines if (match := re.fullmatch(r"bin that ended at (.*) s: \d+ spikes\n", line))
    ]
    assert len(stamps) == 20
    np.testing.assert_allclose(np.diff(stamps), 0.001, atol=0.0011)  # printed to a millisecond


@pytest.mark.parametrize("command", re.findall(r"^\| `(spikeloop .*?)`", README, re.MULTILINE))
def test_every_command_of_the_table_has_help(command):
    shown = run(f"spikeloop {command.split()[1]} --help", REPOSITORY).stdout
    for option in re.findall(r"--[a-z-]+", command):
        assert option in shown


def test_every_option_of_the_table_exists():
    for row in re.findall(r"^\| `(spikeloop \w+).*?\| (.*?) \|$", README, re.MULTILINE):
        shown = run(f"{row[0]} --help", REPOSITORY).stdout
        for option in re.findall(r"`(--[a-z-]+)", row[1]):
            assert option in shown, (row[0], option)


@pytest.mark.parametrize("target", ["stream", "demo-hardware", "test", "bench", "realism", "check", "picture"])
def test_the_make_targets_exist(target):
    outcome = subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
