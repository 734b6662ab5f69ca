"""A polite kill, a closed terminal and Ctrl-C end every command alike."""

import signal
import subprocess
import sys

import psutil
import pytest

from spikeloop.__main__ import main
from spikeloop.models.interrupts import ENDING
from spikeloop.streamer.commands.registry import COMMANDS
from tests.support.mqtt_stand_ins import wait_until

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows ends a process at once")

# Sends itself a signal once the main thread is inside a function, which is the first argument.
AT_WORK = """
import os, sys, threading, time
from spikeloop.__main__ import main

def inside(function):
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False

def interrupt(function, number):
    while not inside(function):
        time.sleep(0.002)
    os.write(1, b"at work\\n")  # past what shows progress
    os.kill(os.getpid(), number)

threading.Thread(target=interrupt, args=[sys.argv[1], int(sys.argv[2])], daemon=True).start()
main(sys.argv[3:])
"""


@pytest.fixture
def handlers_kept():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("handlers_kept")
def test_every_command_ends_with_the_code_of_ctrl_c(command, number, monkeypatch):
    arrived = []

    def work(*_, **__):
        arrived.append(number)
        signal.raise_signal(number)

    monkeypatch.setattr("tyro.cli", work)
    with pytest.raises(SystemExit) as stopped:
        main([command])
    assert (stopped.value.code, arrived) == (130, [number])


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("run_copies", ("generate", "retina", "--duration", "100000", "--out", "spikes.npz")),
        ("compare_offline", ("decode", "m1-sim:200", "--decoder", "kalman", "wiener:3")),
    ],
    ids=["generate", "decode"],
)
def test_work_under_way_leaves_no_file_and_no_traceback(function, arguments, number, tmp_path):
    program = [sys.executable, "-c", AT_WORK, function, str(int(number)), *arguments]
    ended = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 130, ended.stderr
    assert "at work\n" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


# Is busy in compiled code, which no handler of Python's interrupts.
DEAF = """
import hashlib
from spikeloop.models.interrupts import interrupt_at_any_end
from spikeloop.streamer.commands.acknowledgement import acknowledged

interrupt_at_any_end()
with acknowledged():
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""

IMPORTING = """
import time
from spikeloop.models.interrupts import exit_when_interrupted, interrupt_at_any_end

interrupt_at_any_end()
with exit_when_interrupted(130):
    print("busy", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_a_signal_is_acknowledged_while_compiled_code_is_deaf_to_it(number):
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == b"busy\n"
            clock = psutil.Process(process.pid)
            before_s = clock.cpu_times().user
            wait_until(lambda: clock.cpu_times().user > before_s + 0.2)  # it is inside the compiled code
            process.send_signal(number)
            said = b"".join(process.stderr.readline() for _ in range(2))
            assert b"spikeloop: interrupted" in said
            assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_a_signal_ends_a_command_at_once_while_libraries_are_loaded(number):
    with subprocess.Popen([sys.executable, "-c", IMPORTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"busy\n"
        process.send_signal(number)
        assert process.communicate()[1] == b""
    assert process.returncode == 130


# Begins as `python -m spikeloop` does, and is interrupted when it is about to import a module.
STARTING = """
import runpy, signal, sys

class Interrupting:
    module = sys.argv.pop()

    @classmethod
    def find_spec(cls, name, path, target=None):
        if name == cls.module:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
runpy.run_module("spikeloop", run_name="__main__", alter_sys=True)
"""

GUARDING = """
import sys
before = set(sys.modules)
import spikeloop.models.errors, spikeloop.models.interrupts
print(*set(sys.modules) - before)
"""


@pytest.mark.parametrize("module", ["spikeloop.streamer.commands.acknowledgement", "tyro", "numpy"])
def test_ctrl_c_while_a_command_starts_ends_it_without_a_traceback(module):
    program = [sys.executable, "-c", STARTING, "models", module]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_next_to_nothing_is_imported_before_ctrl_c_is_handled():
    """What comes before would end in a traceback."""
    loaded = subprocess.run([sys.executable, "-c", GUARDING], capture_output=True, text=True, check=True).stdout
    assert not {"typing", "socket", "importlib.metadata", "email"} & set(loaded.split()), loaded
