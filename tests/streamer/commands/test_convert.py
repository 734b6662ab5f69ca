"""`spikeloop convert`: what is written is what was read."""

import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.registry import FORMATS
from tests.support.command_line import fails, printed_by, run


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".MAT"])
def test_a_recording_comes_back_from_another_format(tmp_path, capsys, suffix):
    out = tmp_path / f"copy{suffix}"
    told = printed_by(capsys, "convert", "m1-sim:20", "--out", out)
    assert told["bytes"] == out.stat().st_size
    assert told["recording"]["units"] == 96
    written, read = read_recording(out), read_recording("m1-sim:20")
    np.testing.assert_array_equal(written.counts, read.counts)
    np.testing.assert_allclose(written.conditions, read.conditions)
    assert [name.rstrip() for name in written.unit_names] == list(read.unit_names)  # MATLAB pads text
    assert [(channel.name, channel.unit) for channel in written.channels] == [
        (channel.name, channel.unit) for channel in read.channels
    ]


def test_choices_are_made_before_it_is_written(tmp_path, random, capsys):
    counts = random.poisson(0.2, (2000, 6))
    np.savez(tmp_path / "from.npz", Y=counts.T, v=random.standard_normal((2000, 2)))
    options = ("--key", "Y", "--transpose", "--bin-size-ms", 20, "--units", "1-3", "--condition", "velocity [cm/s]=v")
    run("convert", tmp_path / "from.npz", "--out", tmp_path / "to.npz", *options)
    assert "to.npz: NumPy archives" in capsys.readouterr().out
    written = read_recording(tmp_path / "to.npz")
    np.testing.assert_array_equal(written.counts[0], counts[:, 1:4])
    assert [(channel.name, channel.unit) for channel in written.channels] == [
        ("velocity x", "cm/s"), ("velocity y", "cm/s")
    ]  # fmt: skip
    assert any("kept 3 of 6 units" in done for done in written.history)


def test_a_file_is_replaced_only_if_asked(tmp_path, capsys):
    out = tmp_path / "there.npz"
    out.write_bytes(b"precious")
    code, said = fails(capsys, "convert", "m1-sim:10", "--out", out)
    assert code == 2
    assert "--overwrite" in said
    assert out.read_bytes() == b"precious"
    run("convert", "m1-sim:10", "--out", out, "--overwrite")
    assert read_recording(out).bins == 500


def test_a_suffix_that_cannot_be_written_leads_to_those_that_can(tmp_path, capsys):
    code, said = fails(capsys, "convert", "m1-sim:10", "--out", tmp_path / "a.docx")
    assert code == 2
    assert all(suffix in said for found in FORMATS if found.writes for suffix in found.suffixes)


def test_a_failure_leaves_nothing_behind(tmp_path, capsys):
    code, _ = fails(capsys, "convert", tmp_path / "no.npz", "--out", tmp_path / "out.npz")
    assert code == 2
    assert list(tmp_path.iterdir()) == []
