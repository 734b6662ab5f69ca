"""What the pages on Synapse and on Cortical Labs' simulator have a reader type, run as it stands there."""

import json
import re
import signal
import socket
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tests.support.mqtt_stand_ins import wait_until
from tests.support.places import REPOSITORY

PAGES = {name: (REPOSITORY / "docs" / "bridges" / f"{name}.md").read_text() for name in ("cl_sdk", "synapse")}
INSTALL = "lab/bin/pip install -c constraints-bridges.txt '.[cpu,bridges]'"  # as `make bridges` does
ATTEMPTS = 5  # the SDK waits 15 s for a source, and 0.1 s for a tick, which a very busy machine may exceed


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGES[page], re.DOTALL)


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


def test_the_program_of_the_page_on_the_cl_sdk_runs(start_vendors, tmp_path):
    assert commands("cl_sdk") == ["python3.12 -m venv lab", INSTALL]
    (program,) = blocks("cl_sdk", "python")
    (tmp_path / "loop.py").write_text(program.replace("stop_after_seconds=5", "stop_after_seconds=1"))
    printed, errors = "", "TimeoutError"
    for _ in range(ATTEMPTS):
        if "TimeoutError" in errors:
            loop = start_vendors("loop.py", folder=tmp_path, CL_SDK_ACCELERATED_TIME="1")
            printed, errors = loop.communicate(timeout=280)
    last = re.search(r"^(\d+) pulses, (\d+) with a spike on their channel in the same tick$", printed, re.MULTILINE)
    assert last is not None, errors
    given, answered = map(int, last.groups())
    assert 0 < answered < given
    assert wait_until((tmp_path / "truth.npz").exists)


def test_every_command_of_the_page_on_synapse_runs(start_vendors, stream_name, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    venv, install, stream, *others = commands("synapse")
    assert (venv, install) == ("python3 -m venv lab", INSTALL)
    (counted,) = re.findall(r"`(synapsectl --uri 127[^`]* taps stream [^`]*)`", PAGES["synapse"])
    assert [line.split()[-1] for line in others] == ["discover", "info", "5", "lab.json", "list"]
    (config,), (reading, stimulation) = blocks("synapse", "json"), blocks("synapse", "python")
    (tmp_path / "lab.json").write_text(config)
    (tmp_path / "read.py").write_text(reading.replace("6471", port))
    (tmp_path / "stimulate.py").write_text(stimulation.replace("6471", port))

    words = stream.replace("--name lab", f"--name {stream_name}").replace("6471", port).split()
    sender = start_vendors("-m", *words[0].rpartition("/")[2:], *words[1:], "--json", folder=tmp_path)
    assert wait_until(lambda: listens(int(port)))

    def printed_by(line: str) -> str:
        typed = line.replace("6471", port).replace("--duration 5", "--duration 1").split()[1:]
        client = start_vendors("-m", "synapse.cli", *typed, folder=tmp_path, COLUMNS="200")
        printed, errors = client.communicate(timeout=280)
        assert client.returncode == 0, errors
        return printed

    found, info, read, started, taps = map(printed_by, others)
    assert stream_name in found
    assert "utah, 96 electrodes" in info
    assert "Device stopped successfully" in read
    assert list((tmp_path / "recorded").glob("broadband_data_*.h5"))
    assert "Device started" in started
    for tap in ("broadband_source_sim", "spike_source_sim", "electrical_stimulation_sim"):
        assert tap in taps
    counting = start_vendors("-m", "synapse.cli", *counted.replace("6471", port).split()[1:], FORCE_COLOR="1")
    reader = start_vendors("read.py", folder=tmp_path)
    assert re.fullmatch(r"\d+\.\d{3} s: \d+ spikes at electrode [01]\n", reader.stdout.readline())
    reader.kill()
    shown = ""
    while "Messages:" not in shown:
        shown += counting.stdout.read(1)
        assert counting.poll() is None, shown
    counting.send_signal(signal.SIGINT)
    counting.communicate(timeout=280)
    client = start_vendors("stimulate.py", folder=tmp_path)
    _, errors = client.communicate(timeout=280)
    assert client.returncode == 0, errors
    sender.send_signal(signal.SIGINT)
    report = json.loads(sender.communicate(timeout=280)[0])["synapse"]
    assert (report["pulses"], report["refused"], report["running"]) == (1, 0, True)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("program", blocks("synapse", "python"))
def test_a_program_of_the_page_on_synapse_says_how_to_start_a_device_that_is_not(program, listed, monkeypatch):
    """Its tap is not listed; or it is, and nothing comes."""
    if listed and "tap.read" not in program:
        pytest.skip("this one only sends")
    tap = SimpleNamespace(connect=lambda name: listed, read=lambda timeout_ms: None)
    for name, contents in {
        "synapse": {}, "synapse.api": {}, "synapse.client": {},
        "synapse.api.datatype_pb2": {"SpiketrainFrame": None, "Tensor": None},
        "synapse.client.taps": {"Tap": lambda address: tap},
    }.items():  # fmt: skip
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(SystemExit, match=r"synapsectl --uri 127\.0\.0\.1:6471 start lab\.json"):
        exec(program, {})


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
