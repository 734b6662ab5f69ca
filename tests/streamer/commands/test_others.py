"""`spikeloop models` and `spikeloop doctor`."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spikeloop.exporters.bundle import read_bundle, write_bundle
from spikeloop.models.errors import FailureError
from spikeloop.streamer.commands import doctor as doctor_module
from spikeloop.streamer.commands.main import main
from tests.streamer.commands.test_stream import fails
from tests.tiny import tiny_card, tiny_generator


def test_models_lists_shipped_and_given_bundles(bundle_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["models", str(bundle_path), "--json"])
    assert stopped.value.code == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["tiny"]["sha256"] == read_bundle(bundle_path).sha256
    assert listed["retina"]["training"]["recording"]["name"] == "retina"
    assert len(listed["retina"]["unit_names"]) == 50


def test_models_prints_a_table_for_people(capsys):
    with pytest.raises(SystemExit):
        main(["models"])
    printed = capsys.readouterr().out
    for said in ("retina", "spike_gan", "50", "20 ms"):
        assert said in printed


def test_models_shows_a_card_as_it_is_whatever_it_says(tmp_path, capsys):
    card = replace(tiny_card(4), name="mine[v2][/b]", training={"recording": "x"}, realism={"statistics": 5})
    write_bundle(tmp_path / "odd", card, tiny_generator(4), b"", {"rates": np.zeros(4)})
    with pytest.raises(SystemExit) as stopped:
        main(["models", str(tmp_path / "odd")])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "mine[v2][/b]" in printed
    assert "not" in printed
    assert "judged" in printed


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
