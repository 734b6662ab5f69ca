"""`spikeloop models` and `spikeloop doctor`, and the console that several commands share."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.exporters.bundle import load_bundle, write_bundle
from spikeloop.models.errors import FailureError
from spikeloop.models.measures.similarity import MEANING_OF_RATIO
from spikeloop.streamer.commands import doctor as doctor_module
from tests.support.command_line import fails
from tests.support.tiny import tiny_card, tiny_generator


def test_models_lists_shipped_and_given_bundles(bundle_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["models", str(bundle_path), "--json"])
    assert stopped.value.code == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["tiny"]["sha256"] == load_bundle(bundle_path).sha256
    assert listed["retina"]["training"]["recording"]["name"] == "retina"
    assert len(listed["retina"]["unit_names"]) == 50


def test_models_prints_a_table_for_people(capsys):
    with pytest.raises(SystemExit):
        main(["models"])
    printed = capsys.readouterr().out
    for said in (
        "retina",
        "causal_gan",
        "50",
        "20 ms",
        "mean E/F 1.",
        MEANING_OF_RATIO,
        "two_sample AUC 0.6",
        "held out from training",
    ):
        assert said in printed


def test_models_shows_a_card_as_it_is_whatever_it_says(tmp_path, capsys):
    realism = {"statistics": {"x": {"statistic": "x", "error": 10**400, "floor": 1, "ceiling": 1}}, "judged_on": ""}
    training = {"recording": {"origin": "here\x1b]0;owned\x07"}}
    card = replace(tiny_card(4), name="mine[v2][/b]", training=training, realism=realism)
    write_bundle(tmp_path / "odd", card, tiny_generator(4), b"", {"rates": np.zeros(4)})
    with pytest.raises(SystemExit) as stopped:
        main(["models", str(tmp_path / "odd")])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "mine[v2][/b]" in printed
    assert "not judged" in printed
    assert "here]0;owned" in printed
    assert "\x1b" not in printed


def test_models_tells_of_a_broken_bundle(tmp_path, capsys):
    (tmp_path / "card.json").write_text("{}")
    code, said = fails(capsys, "models", tmp_path)
    assert code == 2
    assert "expected bundle format" in said


def test_the_doctor_finds_this_machine_well(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    found = {each["check"]: each for each in document["findings"]}
    assert set(found) == {"liblsl", "discovery", "inference", "clock", "bundles", "training"}
    for check in ("liblsl", "discovery", "inference", "bundles"):
        assert found[check]["well"], found[check]
    assert stopped.value.code == (0 if document["well"] else 1)


def test_the_doctor_says_what_to_do_and_exits_1(monkeypatch, capsys):
    def missing():
        raise FailureError("LSL's library could not be loaded; install it")

    monkeypatch.setattr(doctor_module, "import_pylsl", missing)
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 1
    assert "BAD  liblsl: LSL's library could not be loaded; install it" in capsys.readouterr().out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_output_that_can_not_be_written_is_told():
    program = "from spikeloop.__main__ import main; main(['models', '--json'])"
    with open("/dev/full", "w") as full:
        outcome = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=-1, text=True, check=False)
    assert outcome.returncode == 1
    assert "the output could not be written" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_stream_needs_no_terminal(bundle_path, stream_name):
    program = "from spikeloop.__main__ import main; main()"
    options = ["stream", str(bundle_path), "--name", stream_name, "--duration", "0.5", "--json"]
    with open("/dev/full", "w") as full:
        outcome = subprocess.run([sys.executable, "-c", program, *options], stdout=-1, stderr=full, check=False)
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["bins"] == 500


def test_a_console_whose_reader_is_gone_is_quiet_and_leaves_stdout_alone():
    program = (
        "from spikeloop.streamer.commands.output import SideConsole\n"
        "console = SideConsole()\n"
        "for _ in range(200): console.print('x' * 1000)\n"
        "print('still here')"
    )
    read, write = os.pipe()
    os.close(read)
    try:
        outcome = subprocess.run([sys.executable, "-c", program], stdout=-1, stderr=write, text=True, check=False)
    finally:
        os.close(write)
    assert (outcome.returncode, outcome.stdout) == (0, "still here\n")
