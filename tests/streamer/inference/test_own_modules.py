import sys

import pytest

from spikeloop.streamer.inference.own_modules import load_file


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


def folder(path, **files):
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.py").write_text(text)
    return path


def test_what_lies_beside_the_file_can_be_imported_at_once_and_later(tmp_path):
    own = "from beside import value\ndef late():\n    import beside_late\n    return beside_late.value"
    mine = folder(tmp_path / "mine", own=own, beside="value = 1", beside_late="value = 2")
    (mine / "beside_package").mkdir()
    (mine / "beside_package" / "__init__.py").write_text("value = 3")
    folder(mine, packaged="from beside_package import value")
    module = load_file(mine / "own.py")
    assert (module.value, module.late(), load_file(mine / "packaged.py").value) == (1, 2, 3)


def test_neighbours_of_one_name_in_two_folders_are_told_apart(tmp_path):
    files = [
        folder(tmp_path / name, own="from helper_of_own import value", helper_of_own=f"value = {name!r}") / "own.py"
        for name in ("one", "other")
    ]
    assert [load_file(path).value for path in (*files, *files)] == ["one", "other", "one", "other"]


def test_a_neighbour_is_read_anew_with_the_file(tmp_path):
    mine = folder(tmp_path / "mine", own="from changing_helper import value", changing_helper="value = 1")
    assert load_file(mine / "own.py").value == 1
    (mine / "changing_helper.py").write_text("value = 'another'")
    assert load_file(mine / "own.py").value == "another"


def test_modules_that_others_use_stay_as_they_are(tmp_path):
    import numpy

    mine = folder(tmp_path / "mine", own="import numpy\nimport json", json="raise RuntimeError")
    load_file(mine / "own.py")
    load_file(mine / "own.py")
    assert sys.modules["numpy"] is numpy
    assert load_file(mine / "own.py").numpy is numpy


def test_a_file_that_fails_leaves_the_path_as_it_was(tmp_path):
    mine = folder(tmp_path / "mine", own="raise RuntimeError('mine')")
    first = sys.path[0]
    with pytest.raises(RuntimeError, match="mine"):
        load_file(mine / "own.py")
    assert sys.path[0] == first
