import json
import re
import shlex
import signal
import time

import numpy as np
import pytest

from spikeloop.__main__ import main
from spikeloop.models.errors import FailureError
from spikeloop.models.packages import install_command
from spikeloop.streamer.closedloop.results.trial_statistics import Figures
from tests.support.command_line import fails, printed_by
from tests.support.compared import UNITS, tiny
from tests.support.html_outline import outline
from tests.support.places import SUPPORT

BRIEF = ("--trials", 4, "--calibration", 10)
FAILING = """
class Decoder:
    left = 600
    def fit(self, counts, kinematics): pass
    def step(self, counts):
        print("kept out of the document")
        self.left -= 1
        return [0.0, 0.0] if self.left else 1 / 0
"""
TELLING = """
import pathlib
class Decoder:
    steps = 0
    def fit(self, counts, kinematics): pass
    def step(self, counts):
        self.steps += 1
        if self.steps == 1000:
            pathlib.Path(__file__ + ".reached").touch()
        return [0.0, 0.0]
"""
EXTERNAL = SUPPORT / "external_decoder.py"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def compare(path, capsys):
    """The printed document of a comparison with the tiny bundle."""

    def of(*options: object) -> dict:
        return printed_by(capsys, "closedloop", "--bundle", path, *BRIEF, *options)

    return of


def refused(capsys, path, *options: object) -> tuple[int, str]:
    code, said = fails(capsys, "closedloop", "--bundle", path, *BRIEF, *options)
    return code, " ".join(said.split())


def test_json_tells_every_figure_of_every_decoder(compare):
    document = compare("--decoder", "oracle", "chance", "--sessions", 2, "--seed", 3)
    assert [each["decoder"] for each in document["decoders"]] == ["oracle", "chance"]
    assert document["seeds"] == [3, 4]
    for each in document["decoders"]:
        assert set(each["closed_loop"]) == set(Figures.__dataclass_fields__)
        assert each["closed_loop"]["trials"] == 8
    oracle, chance = (each["closed_loop"]["success_rate"] for each in document["decoders"])
    assert oracle["value"] == 1
    assert chance["value"] < oracle["low"]
    assert document["paired"][0]["figures"]["success_difference"]["value"] == chance["value"] - 1


def test_the_same_seed_prints_the_same_bytes_and_writes_the_same_page(path, capsys, tmp_path):
    said = []
    for name in ("a.html", "b.html"):
        with pytest.raises(SystemExit) as stopped:
            arguments = ["closedloop", "--bundle", path, *BRIEF, "--report", tmp_path / name, "--json"]
            main([*map(str, arguments), "--decoder", "kalman", "chance"])
        assert stopped.value.code == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_command_that_it_tells_gives_the_same(path, capsys, tmp_path):
    options = ["--decoder", "kalman", "oracle", "--gain", 1.25, "--smoothing", 0.5, "--decoder-bin", 40, "--units", 4]
    options += [
        "--history-ms",
        120,
        "--perturb",
        "rotation:12.3456789@2.5",
        "loss:0.1",
        "--recalibrate",
        2,
        "--task",
        "random",
    ]
    first = printed_by(capsys, "closedloop", "--bundle", path, *BRIEF, *options)
    words = shlex.split(first["command"])
    assert words[:2] == ["spikeloop", "closedloop"]
    assert printed_by(capsys, *words[1:]) == first


def test_every_decoder_tells_how_far_back_it_looks_in_its_own_bins(compare, path, capsys):
    options = ("--decoder", "wiener", "wiener:5", "kalman", "--decoder-bin", 40, "--history-ms", 120)
    rows = compare(*options)["decoders"]
    assert [(row["history_bins"], row["history_s"]) for row in rows] == [(3, 0.12), (5, 0.2), (None, None)]
    with pytest.raises(SystemExit):
        main([*map(str, ("closedloop", "--bundle", path, *BRIEF, *options))])
    assert "\nhistory: wiener 120 ms (3 bins); wiener:5 200 ms (5 bins)\n" in capsys.readouterr().out


def test_people_get_a_table(path, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(
            [*map(str, ("closedloop", "--bundle", path, *BRIEF, "--decoder", "oracle", "chance", "--save", "all.npz"))]
        )
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "tiny, user simulated, 4 trials of center-out, seed 0:" in said
    assert "100 % (51-100)" in said
    assert "chance minus oracle: time +" in said
    assert "\n  slower by " in said
    assert "over 4 pairs of trials; the" in " ".join(said.split())
    assert "a failure counts as the timeout of 6 s;" in said
    assert said.endswith("\nsaved: all.npz\n")
    assert max(map(len, said.splitlines())) < 110


def test_what_happened_in_every_bin_is_saved(path, compare, tmp_path):
    compare("--decoder", "oracle", "kalman", "--sessions", 2, "--recalibrate", 2, "--save", tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as saved:
        assert saved["decoders"].tolist() == ["oracle", "kalman"]
        assert saved["seeds"].tolist() == [0, 1]
        for session in ("0-0", "1-0", "0-1", "1-1"):
            bins = len(saved[f"{session}/calibration/counts"])
            assert bins == 10 / saved["bin_size_s"]
            block = f"{session}/closed loop"
            bins = len(saved[f"{block}/counts"])
            assert saved[f"{block}/counts"].shape == (bins, UNITS)
            assert saved[f"{block}/position"].shape == saved[f"{block}/target"].shape == (bins, 2)
            assert len(saved[f"{block}/outcome"]) == 4
            assert len(saved[f"{session}/before recalibration/outcome"]) == 2
        assert set(saved["0-0/closed loop/outcome"]) == {"success"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", 0], "--trials: expected a whole number from 1 to 100000, found 0"),
        (["--recalibrate", -1], "--recalibrate: expected a whole number from 0 to"),
        (["--sessions", 0], "--sessions: expected a whole number from 1 to"),
        (["--seed", -1], "--seed: expected"),
        (["--seed", 2**63 - 1, "--sessions", 2], "--seed: expected"),
        (["--task", "chess"], "--task: expected center-out, random, grid"),
        (["--user", "nobody"], "--user: expected simulated"),
        (["--decoder", "nonsense"], "--decoder: expected"),
        (["--decoder", "oracle", "oracle"], "different decoders"),
        (["--decoder", "lsl:mine"], "add --clock real"),
        (["--user", "lsl:mouse"], "add --clock real"),
        (["--calibration", 5], "--calibration: expected"),
        (["--calibration", "nan"], "--calibration: expected"),
        (["--calibration", 1e18], "--calibration: expected 0 or 10 to 36000 s, found 1e+18"),
        (["--calibration", 0], "--calibration: expected at least 10 s"),
        (["--gain", -1], "gain of 0 or more"),
        (["--smoothing", 1], "smoothing from 0 to below 1"),
        (["--decoder-bin", 30], "--decoder-bin: expected 1 or more whole bins of 20 ms each, found 30 ms"),
        (["--decoder-bin", 0], "--decoder-bin: expected"),
        (["--decoder-bin", "inf"], "--decoder-bin: expected"),
        (["--decoder-bin", 20000], "--decoder-bin: expected"),
        (["--history-ms", 0], "--history-ms: expected more than 0 ms, found 0 ms"),
        (["--decoder", "ridge", "--history-ms", 30000], "--history-ms: expected at most 1000 bins of the decoder"),
        (["--perturb", "earthquake:3"], "--perturb: expected"),
        (["--units", UNITS + 1], "--units: expected a whole number from 1 to"),
        (["--save", "a.csv"], "--save: expected a file ending in .npz or .nwb"),
        (["--save", "a.nwb", "--sessions", 2], "an NWB file holds one session, of one decoder, found 1 decoders and 2"),
        (["--start-delay", 5], "--start-delay: waits in real time, found a simulated clock; add --clock real"),
        (["--start-delay", -1], "--start-delay: expected"),
        (["--report", "a.pdf"], "--report: expected a file ending in .html"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(path, capsys, options, message):
    code, said = refused(capsys, path, *options)
    assert code == 2
    assert message in said


def test_a_bundle_that_no_intention_drives_is_refused(bundle_path, capsys):
    code, said = refused(capsys, bundle_path)
    assert code == 2
    assert "'velocity x'" in said


@pytest.mark.parametrize("option", ["--report", "--save"])
def test_where_no_file_can_be_is_told_before_anything_runs(path, capsys, tmp_path, option):
    (tmp_path / "file").write_text("in the way")
    code, said = refused(capsys, path, option, tmp_path / "file" / ("a.html" if option == "--report" else "a.npz"))
    assert code == 1
    assert "could not write" in said


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_files_are_there_though_nobody_reads_the_figures(start, path, tmp_path, options):
    files = ("--report", tmp_path / "a.html", "--save", tmp_path / "a.npz")
    process = start("closedloop", "--bundle", path, *BRIEF, *files, *options)
    process.stdout.close()
    assert process.wait(280) == 0
    assert outline(tmp_path / "a.html").text
    assert np.load(tmp_path / "a.npz")["seeds"].tolist() == [0]


def test_the_figures_are_told_though_a_file_cannot_be_written(path, capsys, tmp_path, monkeypatch):
    def refuse(*given: object) -> None:
        raise FailureError("could not write: the disk is full")

    monkeypatch.setattr("spikeloop.streamer.closedloop.results.result.ClosedLoopResult.save", refuse)
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, ("closedloop", "--bundle", path, *BRIEF, "--save", tmp_path / "a.npz", "--json"))])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert "the disk is full" in printed.err
    assert json.loads(printed.out)["decoders"][0]["closed_loop"]["trials"] == 4


def test_a_report_needs_matplotlib(path, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("spikeloop.models.packages.find_spec", lambda name: None)
    code, said = refused(capsys, path, "--report", tmp_path / "a.html")
    assert code == 1
    assert install_command("evaluate") in said


def test_a_session_that_fails_is_reported_with_the_others(path, capsys, tmp_path):
    (tmp_path / "own.py").write_text(FAILING)
    own = f"python:{tmp_path / 'own.py'}:Decoder"
    with pytest.raises(SystemExit) as stopped:
        arguments = ["closedloop", "--bundle", path, *BRIEF, "--report", tmp_path / "a.html", "--json"]
        main([*map(str, arguments), "--decoder", own, "oracle"])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert "ZeroDivisionError" in printed.err
    assert "Traceback" not in printed.err
    failed, oracle = json.loads(printed.out)["decoders"]
    assert "ZeroDivisionError" in failed["sessions"][0]["failure"]
    assert oracle["closed_loop"]["successes"] == 4
    assert "ZeroDivisionError" in outline(tmp_path / "a.html").text


def test_sessions_before_one_that_cannot_begin_are_reported(path, capsys, monkeypatch):
    from spikeloop.streamer.closedloop import comparison

    begun = comparison.run_session
    monkeypatch.setattr(
        comparison, "run_session",
        lambda plan, *parts: begun(plan, *parts) if plan.seed < 2 else (_ for _ in ()).throw(FailureError("no more")),
    )  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, ("closedloop", "--bundle", path, *BRIEF, "--sessions", 4, "--json", "--decoder", "oracle"))])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert "no more" in printed.err
    assert json.loads(printed.out)["seeds"] == [0, 1]


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_comparison_still_reports(start, path, tmp_path, polite):
    (tmp_path / "own.py").write_text(TELLING)
    process = start(
        "closedloop", "--bundle", path, "--calibration", 10, "--trials", 100_000, "--json", "--report",
        tmp_path / "a.html", "--decoder", f"python:{tmp_path / 'own.py'}:Decoder",
    )  # fmt: skip
    while not (tmp_path / "own.py.reached").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(polite)
    printed, errors = process.communicate(timeout=280)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    document = json.loads(printed)
    assert document["interrupted"]
    assert 0 < document["decoders"][0]["closed_loop"]["trials"] < 100_000
    assert "interrupted" in outline(tmp_path / "a.html").text


UP = "from spikeloop.__main__ import main; print('up', flush=True); main()"


@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.6, 1.0, 1.5])
def test_ctrl_c_at_any_moment_ends_it(start, path, after_s):
    process = start("closedloop", "--bundle", path, "--trials", 100_000, program=UP)
    assert process.stdout.readline() == "up\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_on_a_real_clock_the_latency_of_the_loop_is_told(start, path, stream_name):
    process = start(
        "closedloop", "--bundle", path, "--clock", "real", "--name", stream_name, "--calibration", 0, "--trials", 2,
        "--decoder", "oracle", "--json",
    )  # fmt: skip
    printed, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    document = json.loads(printed)
    (session,) = document["real_time"]
    assert document["decoders"][0]["closed_loop"]["successes"] == 2
    assert session["latency"]["steps"] > 50
    assert 0 < session["latency"]["loop_ms"]["p50"] <= session["latency"]["loop_ms"]["p99"]
    assert session["stream"]["bins"] >= session["latency"]["steps"]


def test_a_process_over_lsl_is_a_decoder(start, path, stream_name):
    own = f"{stream_name}-decoder"
    process = start(
        "closedloop", "--bundle", path, "--clock", "real", "--name", stream_name, "--calibration", 0, "--trials", 2,
        "--decoder", f"lsl:{own}",
    )  # fmt: skip
    start(stream_name, own, "prompt", script=EXTERNAL)
    printed, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    assert "100 % (34-100)" in printed
    assert re.search(r"\d+ steps, .* late answers, 0 ignored", " ".join(printed.split()))
