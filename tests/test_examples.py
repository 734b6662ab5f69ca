"""The examples, run as their READMEs say."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pylsl
import pytest

pytestmark = pytest.mark.lsl

EXAMPLES = Path(__file__).parents[1] / "examples"
SPIKELOOP = f"{sys.executable} -c 'from spikeloop.__main__ import main; main()'"


def commands(folder: Path) -> list[str]:
    """The lines that a README tells the reader to type."""
    blocks = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(command: str, folder: Path) -> dict:
    """A command of a README as a shell in that folder would run it; the session that it ends with."""
    command = command.replace("spikeloop", SPIKELOOP, 1) if command.startswith("spikeloop") else command
    outcome = subprocess.run(
        re.sub(r"^python\b", sys.executable, command) + " --json",
        shell=True, cwd=folder, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


OWN = EXAMPLES / "own_decoder"
BY_CLASS, BESIDE, IN_TWO, IN_ONE = commands(OWN)
SHORTER = ((r"--calibration \d+", "--calibration 15"), (r"--trials \d+", "--trials 2"))


def shortened(command: str, name: str) -> str:
    for long, short in SHORTER:
        command = re.sub(long, short, command)
    return command.replace("my-loop", name).replace("my-velocity", f"{name}-velocity")


@pytest.mark.long
def test_a_class_of_ones_own_is_tested_beside_the_kalman_filter():
    kalman, own = run(BY_CLASS, OWN)["decoders"]
    assert own["decoder"] == "python:own_class.py:Smoother"
    assert own["closed_loop"]["successes"] >= 15
    assert kalman["closed_loop"]["trials"] == own["closed_loop"]["trials"] == 16


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_decoder_of_ones_own_closes_the_loop_from_another_process(stream_name):
    beside = re.sub(r"^python\b", sys.executable, shortened(BESIDE, stream_name)).removesuffix(" &")
    decoder = subprocess.Popen(beside.split(), cwd=OWN, stderr=subprocess.PIPE, text=True)
    try:
        (own,) = run(shortened(IN_TWO, stream_name), OWN)["decoders"]
        _, told = decoder.communicate(timeout=280)  # ends by itself, with the session
    finally:
        decoder.kill()
    assert decoder.returncode == 0, told
    assert own["closed_loop"]["trials"] == 2
    assert own["closed_loop"]["successes"] >= 1


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_decoder_of_ones_own_closes_the_loop_in_the_same_process():
    (own,) = run(shortened(IN_ONE, ""), OWN)["decoders"]
    assert own["closed_loop"]["trials"] == 2
    assert own["closed_loop"]["successes"] >= 1


def test_a_decoder_that_joins_after_the_calibration_says_so(stream_name):
    counts = pylsl.StreamOutlet(pylsl.StreamInfo(stream_name, "Spikes", 3, 50, pylsl.cf_float32, stream_name))
    cursor = pylsl.StreamOutlet(pylsl.StreamInfo(f"{stream_name}-Cursor", "Cursor", 8, 50, pylsl.cf_float32, "late"))
    command = [sys.executable, "own_decoder.py", stream_name, f"{stream_name}-velocity"]
    decoder = subprocess.Popen(command, cwd=OWN, stderr=subprocess.PIPE, text=True)
    try:
        assert counts.wait_for_consumers(30)
        assert cursor.wait_for_consumers(30)
        while decoder.poll() is None:
            cursor.push_sample([0, 0, 0, 0, 0, 0, 0, 2])  # the closed loop
            counts.push_sample([1, 0, 2])
            time.sleep(0.02)
        assert "too few bins of calibration (0); join the session earlier" in decoder.communicate()[1]
    finally:
        decoder.kill()


def test_a_decoder_over_lsl_takes_some_thirty_lines():
    lines = [line for line in (OWN / "own_decoder.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 35
