"""Each in a process of its own, as liblsl reads its configuration once."""

import logging
import os
from pathlib import Path

import pytest

import spikeloop
from spikeloop.streamer.inference.window_engine import Engine
from spikeloop.streamer.lsl.log import log_line

STREAM = """import logging, sys, spikeloop
{before}
with spikeloop.stream({bundle!r}, {name!r}, duration_s=0.2) as s:
    s.wait()
"""


@pytest.fixture(autouse=True)
def talkative(tmp_path, monkeypatch):
    """The tests' own LSL session, without what it says of the log."""
    own = Path(os.environ["LSLAPICFG"]).read_text()
    (tmp_path / "lsl_api.cfg").write_text(own.partition("[log]")[0])
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "lsl_api.cfg"))


def output(start, bundle, name, before="") -> tuple[str, str]:
    """What a program that streams prints, on stdout and stderr."""
    return start(program=STREAM.format(before=before, bundle=str(bundle), name=name)).communicate(timeout=280)


def test_as_a_library_nothing_is_printed(start, bundle_path, stream_name):
    assert output(start, bundle_path, stream_name) == ("", "")


def test_a_program_that_asks_for_notices_gets_those_of_spikeloop_and_of_liblsl(start, bundle_path, stream_name):
    before = "logging.basicConfig(stream=sys.stdout, level='INFO', format='%(name)s|%(levelname)s|%(message)s')"
    printed, errors = output(start, bundle_path, stream_name, before)
    assert [line for line in errors.splitlines() if "Logging to" not in line] == []
    lines = printed.splitlines()
    assert (
        f"spikeloop.streamer.launch.stream|INFO|{stream_name}: streaming tiny, seed 0, on CPUExecutionProvider" in lines
    )
    assert any(line.startswith("spikeloop.liblsl|INFO|") for line in lines)
    assert not [line for line in lines if "DEBUG" in line]


def test_the_command_line_prints_them_from_its_level_on(start, bundle_path, stream_name):
    arguments = ("stream", bundle_path, "--name", stream_name, "--duration", 0.2)
    quiet = start(*arguments).communicate(timeout=280)[1]
    talking = start("--log-level", "info", *arguments).communicate(timeout=280)[1]
    assert "INFO" not in quiet
    assert "INFO spikeloop.streamer.launch.stream: " in talking
    assert "INFO spikeloop.liblsl: " in talking


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "2026-01-02 03:04:05.678 (   0.001s) [R_lab           ]          udp_server.cpp:136   WARN| no port: 5",
            (logging.WARNING, "no port: 5"),
        ),
        (
            "2026-01-02 03:04:05.678 (   0.001s) [        76D9E740]         api_config.cpp:271   INFO| Loaded",
            (logging.INFO, "Loaded"),
        ),
        (
            "2026-01-02 03:04:05.678 (   0.001s) [        76D9E740]             common.cpp:65       2| a | b",
            (logging.DEBUG, "a | b"),
        ),
        ("date       time         ( uptime  ) [ thread name/id ]                   file:line     v| ", None),
    ],
)
def test_a_line_of_liblsl_is_logged_at_its_level(caplog, line, expected):
    with caplog.at_level(logging.DEBUG, "spikeloop.liblsl"):
        log_line(line)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == ([expected] if expected else [])


def test_a_notice_is_a_warning(bundle, stream_name, monkeypatch, caplog):
    monkeypatch.setattr(
        Engine, "notice", property(lambda self: "running on the CPU", lambda self, notice: None), raising=False
    )
    with caplog.at_level(logging.WARNING, "spikeloop"), spikeloop.stream(bundle, stream_name, duration_s=0.1) as stream:
        stream.wait()
    assert [record.getMessage() for record in caplog.records] == [f"{stream_name}: running on the CPU"]
