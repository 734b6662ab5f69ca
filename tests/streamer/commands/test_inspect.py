"""`spikeloop inspect`: everything in a file, what is read from it, and what to add where nothing can be."""

import re
import subprocess
import sys

import numpy as np
import pytest

from spikeloop.exporters.formats.registry import FORMATS
from tests.support.command_line import fails, printed_by, run
from tests.support.html_outline import Outline


@pytest.fixture
def session(tmp_path, random):
    path = tmp_path / "session.npz"
    conditions = np.cumsum(random.standard_normal((3, 2000, 2)), axis=1)
    np.savez(
        path, spikes=random.poisson(0.2, (3, 2000, 20)), bin_size_s=0.02, conditions=conditions,
        condition_names=["velocity x", "velocity y"], condition_units=["cm/s", "cm/s"],
        unit_names=[f"ch{i}" for i in range(20)],
    )  # fmt: skip
    return path


def test_the_document_has_items_summary_and_units(session, capsys):
    found = printed_by(capsys, "inspect", session)
    assert found["format"] == "NumPy archives"
    assert {item["path"] for item in found["items"]} >= {"spikes", "conditions", "bin_size_s"}
    assert (found["recording"]["trials"], found["recording"]["units"]) == (3, 20)
    with np.load(session) as arrays:
        rates = arrays["spikes"].mean(axis=(0, 1)) / 0.02
    np.testing.assert_allclose([unit["rate_hz"] for unit in found["units"]], rates)
    assert [unit["name"] for unit in found["units"]][:2] == ["ch0", "ch1"]
    assert found["problem"] == ""


def test_a_terminal_gets_line_table_and_picture(session, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run("inspect", session)
    shown = capsys.readouterr().out
    assert "session: 3 trials x 2000 bins x 20 units, 20 ms bins, 2 min" in shown
    assert re.search(r"^conditions +counts or series +3 x 2000 x 2", shown, re.MULTILINE)
    assert re.search(r"^ch0 +\d", shown, re.MULTILINE)
    if (sys.stdout.encoding or "").lower().startswith("utf"):
        assert re.search("[\u2801-\u28ff]", shown)
        assert "velocity x, " in shown


def test_what_was_done_and_what_looks_wrong_is_printed(tmp_path, random, capsys):
    counts = random.poisson(0.2, (2000, 4)).astype(float)
    counts[:, 2] = 0
    counts[10:20] = np.nan
    np.savez(tmp_path / "odd.npz", spikes=counts, bin_size_s=0.02)
    run("inspect", tmp_path / "odd.npz")
    shown = capsys.readouterr().out
    assert "done: left out 10 bins of NaN" in shown
    assert "warning: 1 unit (unit 2) without a spike" in shown


@pytest.mark.parametrize(
    ("arrays", "remedy"),
    [
        ({"spikes": np.ones((100, 3), int)}, "--bin-size-ms"),
        ({"Yte": np.ones((100, 3), int), "Xte": np.ones((100, 2))}, "--key"),
        ({"spike_times": np.arange(10.0)}, "--unit-key"),
    ],
)
def test_a_file_that_is_no_recording_yet_is_listed_with_what_to_add(tmp_path, capsys, arrays, remedy):
    np.savez(tmp_path / "raw.npz", **arrays)
    found = printed_by(capsys, "inspect", tmp_path / "raw.npz")
    assert found["recording"] is None
    assert remedy in found["problem"]
    assert {item["path"] for item in found["items"]} == set(arrays)
    run("inspect", tmp_path / "raw.npz")
    assert "not a recording as it stands" in capsys.readouterr().out


def test_a_recording_by_name_is_shown_too(capsys):
    found = printed_by(capsys, "inspect", "m1-sim:30")
    assert found["items"] == []
    assert found["recording"]["longest_bins"] == 1500


def test_the_page_has_everything(session, tmp_path, capsys):
    run("inspect", session, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert Outline(page).panels == ["trial 1", "mean rate of every unit"]
    for word in ("velocity x", "ch19", "condition_units", "mean rate"):
        assert word in page


def test_the_page_of_what_is_no_recording_says_what_to_add(tmp_path, capsys):
    np.savez(tmp_path / "raw.npz", spikes=np.ones((100, 3), int))
    run("inspect", tmp_path / "raw.npz", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "--bin-size-ms" in page
    assert "<svg" not in page


def test_names_that_would_move_the_cursor_are_shown_as_text(tmp_path, capsys, random):
    np.savez(tmp_path / "bad.npz", **{"spikes": random.poisson(0.2, (2000, 3)), "bin_size_s": 0.02, "\x1b[2Jx": [1]})
    run("inspect", tmp_path / "bad.npz")
    assert "\x1b[2J" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [("no.npz", "no such file"), ("nothing", "no recording named 'nothing'"), ("damaged.npz", "is it complete")],
)
def test_what_cannot_be_read_at_all_is_an_error(name, message, tmp_path, capsys):
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 no archive")
    code, said = fails(capsys, "inspect", name if name == "nothing" else tmp_path / name)
    assert code == 2
    assert message in said


def test_the_help_names_every_format(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run("inspect", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert all(found.name in shown for found in FORMATS)


def test_nothing_heavy_is_loaded(session):
    program = (
        "import sys\nfrom spikeloop.__main__ import main\n"
        "heavy = {'torch', 'onnxruntime', 'matplotlib', 'pandas', 'pylsl'}\n"
        "try: main(['inspect', sys.argv[1]])\n"
        "finally: print(*(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, session], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
