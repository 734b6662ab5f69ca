import json

import numpy as np
import pytest

from spikeloop.__main__ import main
from tests.support.command_line import fails, run
from tests.support.tiny import tiny_stream_bundle


@pytest.fixture
def made(tmp_path):
    """A bundle, and a file of it."""
    tiny_stream_bundle(tmp_path / "tiny")
    run("generate", tmp_path / "tiny", "--duration", 0.2, "--seed", 4, "--out", tmp_path / "made.npz")
    return tmp_path


def flip(path):
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["spikes"][70, 2] ^= 1
    np.savez(path, **arrays)


def test_exit_0_says_that_all_agrees(made, capsys):
    run("verify", made / "made.npz", "--bundle", made / "tiny")
    said = capsys.readouterr().out
    assert "tiny: all agrees" in said
    assert "200 agree, 0 differ, 0 not compared, 0 lost" in said


def found_wrong(capsys, *arguments) -> str:
    """What a verification prints that finds something."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(["verify", *map(str, arguments)])
    assert left.value.code == 1
    return capsys.readouterr().out


def test_exit_1_says_where_the_first_difference_is(made, capsys):
    flip(made / "made.npz")
    said = found_wrong(capsys, made / "made.npz", "--bundle", made / "tiny")
    assert "tiny: does not agree" in said
    assert "! 1 of 200 bins differ, first in bin 70 (0.071000 s), unit 2: expected" in said


def test_the_document_is_alone_on_stdout(made, capsys):
    flip(made / "made.npz")
    document = json.loads(found_wrong(capsys, made / "made.npz", "--bundle", made / "tiny", "--json"))
    assert document["agrees"] is False
    assert document["streams"][0]["first_difference"]["bin"] == 70


def test_what_is_no_proof_is_bad_input(made, capsys):
    code, said = fails(capsys, "verify", made / "made.npz")
    assert code == 2
    assert "give its folder or .zip with --bundle" in said
