"""Programs of the laboratory: their lives, and which of their ends is a failure."""

import sys
import time

import pytest

from tests.soak.network import Host
from tests.soak.program import Program
from tests.support.recording import wait_until

HERE = Host("here", "127.0.0.1", (), {"WHERE": "here"})
REPORTS = """
import json, os, signal, sys, time

def end(*_):
    print(json.dumps({"life": sys.argv[1], "where": os.environ["WHERE"]}))
    sys.exit(130)

signal.signal(signal.SIGTERM, end)
sys.stderr.write("ready\\n"); sys.stderr.flush()
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path):
    opened = []

    def starter(script=REPORTS):
        program = Program(
            "program", lambda life: [sys.executable, "-c", script, life], HERE, tmp_path, time.monotonic, mortal=True
        )
        opened.append(program)
        program.__enter__()
        return program

    yield starter
    for program in opened:
        program.__exit__()


def ready(program):
    wait_until(lambda: program.life.last_words == "ready")


def test_a_program_that_is_asked_to_end_leaves_its_report(start):
    program = start()
    ready(program)
    life = program.end()
    assert (life.code, life.end, life.report) == (130, "asked", {"life": "1", "where": "here"})
    assert life.began_s <= life.until_s <= life.ended_s
    assert program.failures() == []


def test_a_killed_program_has_no_report_and_begins_another_life(start):
    program = start()
    ready(program)
    program.kill()
    program.start()
    ready(program)
    program.end()
    assert [(life.number, life.end, bool(life.report)) for life in program.lives] == [
        (1, "killed", False),
        (2, "asked", True),
    ]
    assert program.failures() == []


def test_an_end_that_nobody_asked_for_is_a_failure_with_its_last_words(start):
    program = start("import sys; sys.exit('the disk is gone')")
    wait_until(lambda: not program.is_alive)
    (failure,) = program.failures()
    assert "exit code 1" in failure
    assert "the disk is gone" in failure


def test_a_program_that_does_not_end_when_asked_is_killed_which_is_a_failure(start, monkeypatch):
    monkeypatch.setattr("tests.soak.program.ENDS_WITHIN_S", 0.2)
    program = start(REPORTS.replace("sys.exit(130)", "time.sleep(600)"))
    ready(program)
    program.end()
    assert len(program.failures()) == 1


def test_a_program_that_stands_still_goes_on(start):
    program = start()
    ready(program)
    program.stand_still()
    wait_until(lambda: program.status == "stopped")
    program.go_on()
    program.end()
    assert program.life.report["life"] == "1"


def test_memory_descriptors_and_threads_are_noted(start):
    program = start()
    ready(program)
    program.sample()
    (figures,) = program.life.figures
    assert figures.rss_bytes > 1e6
    assert figures.descriptors >= 3
    assert figures.threads >= 1
