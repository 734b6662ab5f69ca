"""`spikeloop export --rename`: other names of conditions in the card, the same graphs and spikes."""

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from spikeloop.streamer.launch.generate import generate
from tests.support.command_line import fails, printed_by, run


@pytest.fixture
def foreign(tmp_path):
    out = tmp_path / "foreign.zip"
    run("export", "m1-sim", "--out", out, "--rename", "velocity x=vx [px/s]", "--rename", "velocity y=vy [px/s]")
    return out


def test_only_the_card_changes(foreign):
    before, after = load_bundle("m1-sim"), load_bundle(foreign)
    assert [(channel.name, channel.unit) for channel in after.card.channels] == [("vx", "px/s"), ("vy", "px/s")]
    assert after.card.files == before.card.files
    assert after.card.realism == before.card.realism
    assert after.sha256 != before.sha256
    one, other = (generate(bundle, duration_s=1, seed=3).counts for bundle in (before, after))
    np.testing.assert_array_equal(one, other)


def test_a_bundle_that_no_loop_drives_is_mended(foreign, tmp_path, capsys):
    code, said = fails(capsys, "closedloop", "--bundle", foreign, "--trials", 1, "--calibration", 10)
    assert code == 2
    assert "spikeloop export --rename" in said
    mended = tmp_path / "mended.zip"
    told = printed_by(capsys, "export", foreign, "--out", mended, "--rename", "vx=velocity x", "vy=velocity y")
    assert told["name"] == "mended"
    found = printed_by(capsys, "closedloop", "--bundle", mended, "--trials", 1, "--calibration", 10)
    assert any("px/s of velocity x for 1 cm/s" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --rename or --name"),
        (("--rename", "speed=velocity x"), "--rename: expected a condition (velocity x, velocity y), found 'speed'"),
        (("--rename", "velocity x=velocity y"), "two conditions named 'velocity y'"),
        (("--rename", "velocity x"), "--rename: expected OLD=NEW"),
    ],
)
def test_names_that_can_not_be_are_told(options, message, tmp_path, capsys):
    code, said = fails(capsys, "export", "m1-sim", "--out", tmp_path / "out.zip", *options)
    assert code == 2
    assert message in said
    assert not (tmp_path / "out.zip").exists()


def test_two_names_are_exchanged(tmp_path):
    run("export", "m1-sim", "--out", tmp_path / "b.zip", "--rename", "velocity x=velocity y", "velocity y=velocity x")
    assert [channel.name for channel in load_bundle(tmp_path / "b.zip").card.channels] == ["velocity y", "velocity x"]


def test_a_model_is_not_given_another_unit_of_speed_than_it_learned(capsys, tmp_path):
    code, said = fails(
        capsys, "export", "m1-sim", "--out", tmp_path / "a.zip", "--rename", "velocity x=velocity x [m/s]"
    )
    assert code == 2
    assert "the model expects velocity x in cm/s, and can't be given m/s" in said
