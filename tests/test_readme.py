"""Every command and program of the README and of the pages in docs/, run."""

import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from spikeloop.streamer.bridges.ephys_socket import EphysSocketReport
from spikeloop.streamer.bridges.ephys_socket_client import ClientReport
from spikeloop.streamer.capture.record.report import StreamRecord
from spikeloop.streamer.closedloop.real_time.latency import LoopLatency
from spikeloop.streamer.commands.registry import COMMANDS
from spikeloop.streamer.conditions.hold import ConditionReport
from spikeloop.streamer.devices.link import LinkReport
from spikeloop.streamer.launch.background import stream
from spikeloop.streamer.lsl.spikes import Reception
from spikeloop.streamer.mqtt.bridge import BridgeReport
from spikeloop.streamer.stream.health import HealthReport
from tests.support.broker import Mosquitto
from tests.support.command_line import typed
from tests.support.mqtt_stand_ins import wait_until
from tests.support.nwb_sessions import session_of_reaches
from tests.support.places import REPOSITORY
from tests.support.replayed import written
from tests.support.training import train_small_models

NAMES = (
    "install",
    "subscribe",
    "steer",
    "monitor",
    "closed_loop",
    "many_machines",
    "decoders",
    "hardware",
    "recordings",
    "record",
    "training",
    "evaluation",
    "commands",
    "python",
    "replay",
    "verify",
    "web",
    "voltage",
    "score_sorting",
    "signing",
    "bridges/open_ephys",
    "bridges/blackrock",
)
PAGES = {name: (REPOSITORY / "docs" / f"{name}.md").read_text() for name in NAMES}
PAGES["README"] = (REPOSITORY / "README.md").read_text()
SHORTENED = {
    "--minutes 10": "--steps 3",
    "--recalibrate 32": "--recalibrate 2",
    "--days 30": "--days 2",
    "daily stabilize refit": "refit:4",
    "stabilize:48": "stabilize:4",
    "--trials 16": "--trials 2 --calibration 10",
    "--trials 64": "--trials 4 --calibration 10",
    "--trials 32": "--trials 2 --calibration 10",
    "--duration 5": "--duration 1",
    "m1-sim:120": "m1-sim:60 --folds 2",
    "--duration 360000": "--duration 2",
}  # for a test

pytestmark = [pytest.mark.lsl, pytest.mark.realtime]


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of code of that kind in a page."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGES[page], re.DOTALL)


def commands(page: str) -> list[str]:
    """The lines for a shell in a page, without comments."""
    return [line.split("  #")[0].split(" # ")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]


def program(page: str) -> str:
    """The only program in Python of a page."""
    (found,) = blocks(page, "python")
    return found


CLONE, *MAKE = [line for line in commands("README") if "make" in line or "clone" in line]
OURS = [line for line in commands("README") if line.startswith("spikeloop")]
NWB, CAPTURED = OURS[:4], OURS[4:]
TRAINED = [line for line in commands("training") if not line.startswith("torchrun")]  # which needs GPUs, or minutes
LIVE = [line for line in commands("steer") if "lsl:" in line]
STEERING, PERTURBING = blocks("steer", "python")
STEERED = [line for line in commands("steer") if "lsl:" not in line]
MAPPED = [line for line in commands("monitor") if line.startswith("spikeloop importance")]
WATCHED = [line for line in commands("monitor") if line not in MAPPED]
HARDWARE = [line for line in commands("hardware") if "mqtt" in line]
VOLTAGE = [line for page in ("voltage", "bridges/open_ephys", "bridges/blackrock") for line in commands(page)]


SMALLER = {
    "(20000, 30)": "(4000, 6)",
    "minutes=10": "steps=3",
    "duration_s=10": "duration_s=1",
    "duration_s=60": "duration_s=1",
    "trials=8": "trials=2, calibration_s=10",
}  # in the programs, likewise


def run(command: str, folder: Path) -> str:
    """What a `spikeloop ...` line prints, shortened, in that folder."""
    return typed(_replaced(command, SHORTENED), folder)


def _replaced(text: str, others: dict[str, str]) -> str:
    for long, short in others.items():
        text = text.replace(long, short)
    return text


@pytest.fixture
def quick(monkeypatch, brief_verdicts):
    train_small_models(monkeypatch)


def test_every_command_of_the_pages_is_run_by_a_test():
    """`make test` is what runs this; the others are run below."""
    assert MAKE == ["make stream", "make test"]
    assert [len(each) for each in (LIVE, STEERED, MAPPED, WATCHED, HARDWARE, VOLTAGE)] == [1, 4, 1, 2, 2, 5]
    assert set(commands("hardware")) == {"make demo-hardware", *HARDWARE}
    assert [line.split()[1] for line in commands("score_sorting")] == ["generate", "score-sorting"]
    assert [line.split()[1] for line in commands("signing")] == ["sign", "export", "sign", "generate"]
    assert [line.split()[1] for line in TRAINED] == ["train", "export", "stream", "evaluate"]
    assert [line.split()[1] for line in NWB] == ["inspect", "train", "export", "closedloop"]
    assert [line.split()[1] for line in CAPTURED] == ["record", "verify", "replay"]
    reading = [line.split()[1] for line in commands("recordings")]
    assert reading == ["inspect", "inspect", "convert", "train", "export", "closedloop"]
    assert [line.split()[1] for line in commands("record")] == ["record", "record"]
    assert {line.split()[1] for line in commands("closed_loop")} == {"closedloop", "decode"}
    assert [line.split()[1] for line in commands("many_machines")] == ["sweep", "decodesweep", "generate"]
    assert [line.split()[1] for line in commands("decoders")] == ["closedloop", "falcon", "closedloop"]
    assert [line.split()[1] for line in commands("verify")] == ["generate", "verify", "closedloop", "verify"]
    assert all(line.startswith("pip install") for line in commands("install"))
    assert [line.split()[1] for line in commands("replay")] == ["replay"] * 4
    replayed = "spikeloop web --replay session.npz --open"
    assert commands("web") == ["pip install -c constraints.txt '.[cpu,web]'", "spikeloop web --open", replayed]
    assert not [name for name in ("subscribe", "evaluation", "commands", "python") if commands(name)]


def test_the_clone_line_names_the_home_of_the_project():
    urls = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]
    assert f"git clone {urls['Repository']} && cd spikeloop" == CLONE


@pytest.mark.parametrize(
    "path", [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")], ids=lambda path: path.stem
)
def test_links_lead_to_files_of_the_repository(path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert not [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_files_that_a_page_names_exist(page):
    text = re.sub(r"NAME(/reader)?\.py", "", (REPOSITORY / page).read_text())
    named = re.findall(r"`((?:models|exporters|streamer|spikeloop|tests|docs|benchmarks)/[\w/.]*)`", text)
    assert len(named) > 15
    assert not [path for path in named if not (REPOSITORY / path).exists()]


def test_the_program_of_the_readme_runs(tmp_path):
    assert len(program("README").splitlines()) <= 13
    with contextlib.chdir(tmp_path):
        exec(_replaced(program("README"), SMALLER), {})


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_program_of_the_python_page_runs(tmp_path, quick):
    assert len(program("python").splitlines()) <= 12
    with contextlib.chdir(tmp_path):
        exec(_replaced(program("python"), SMALLER), {})
    assert {"mine.zip", "generated.npz", "runs"} <= {path.name for path in tmp_path.iterdir()}


def test_what_is_to_be_installed_resolves():
    """By pip itself, all extras at once, without installing; needs no network where all is there already."""
    lines = [re.fullmatch(r"pip install -c constraints.txt '\.\[([\w,]+)\]'", line) for line in commands("install")]
    extras = {extra for line in lines if line is not None for extra in line[1].split(",")}
    assert None not in lines
    assert extras >= {"cpu", "train", "evaluate", "monitor", "mqtt"}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--no-build-isolation"]
    command = [*pip, "-c", "constraints.txt", f".[{','.join(sorted(extras))}]"]
    outcome = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "does not provide the extra" not in outcome.stderr
    assert "Would install spikeloop-" in outcome.stdout


@pytest.mark.long
@pytest.mark.timeout(600)
def test_one_command_streams_on_a_fresh_clone(tmp_path, stream_name):
    """With nothing but Python, pip and make: `make stream` sets itself up, without torch."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, tmp_path / "clone"], check=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment["PIP_NO_COMPILE"] = "1"  # what is imported is compiled then; most never is
    outcome = subprocess.run(
        ["make", "stream", f"ARGS=--duration 1 --name {stream_name} --json"],
        cwd=tmp_path / "clone", env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    if outcome.returncode and "No matching distribution" in outcome.stderr and not os.environ.get("CI"):
        pytest.skip("pip reaches no package index from here")
    assert outcome.returncode == 0, outcome.stderr
    assert '"bins": 50' in outcome.stdout
    assert not list((tmp_path / "clone" / ".venv").glob("lib/python*/site-packages/torch"))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_recording_of_ones_own_becomes_a_stream(tmp_path, quick):
    with contextlib.chdir(tmp_path):
        exec(_replaced(program("training"), SMALLER), {})
    for command in TRAINED:
        run(command, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_file_of_any_layout_becomes_a_bundle_that_closes_the_loop(tmp_path, quick):
    with contextlib.chdir(tmp_path):
        exec(program("recordings"), {})
    as_it_stands, chosen, *others = [run(command, tmp_path) for command in commands("recordings")]
    assert "not a recording as it stands" in as_it_stands
    assert "session: 1 trial x 6000 bins x 30 units, 20 ms bins, 2 min" in chosen
    assert "kalman" in others[-1]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_session_of_nwb_becomes_a_bundle_that_closes_the_loop(tmp_path, quick):
    pytest.importorskip("pynwb")
    session_of_reaches(tmp_path / "session.nwb")
    inspected, *_, closed = [run(command, tmp_path) for command in NWB]
    assert "session: 1 trial x 6000 bins x 12 units, 20 ms bins, 2 min" in inspected
    assert "kalman" in closed


def test_the_shipped_bundles_are_steered_one_command_after_the_other(tmp_path):
    for command in STEERED:
        run(command, tmp_path)
    first, again = (np.load(tmp_path / name) for name in ("down.npz", "again.npz"))
    np.testing.assert_array_equal(first["spikes"], again["spikes"])
    assert (first["condition"] == [0, -15]).all()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_stream_is_watched_from_two_terminals(tmp_path, start):
    stream, monitor = (line.split()[1:] for line in WATCHED)
    streaming = start(*stream, "--duration", 600, cwd=tmp_path)
    watching = start(*monitor, "--snapshot-every", 1, "--wait", cwd=tmp_path)
    assert wait_until((tmp_path / "now.html").exists, 240)
    for program in (watching, streaming):
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=280)
        assert program.returncode == 130, errors
    assert "spikeloop" in (tmp_path / "now.html").read_text()


def test_the_recorded_retina_is_mapped(tmp_path, data_folder):
    (command,) = MAPPED
    run(f"{command} --windows 5".replace("--windows 100", ""), tmp_path)
    with np.load(tmp_path / "maps.npz") as found:
        assert found["maps"].shape == (5, 32, 50)
    assert (tmp_path / "maps.svg").stat().st_size > 10_000


def test_a_drift_of_ones_own_is_followed_over_days(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(program("closed_loop").replace("trials=4", "trials=2"), {})
    assert "refit:8" in capsys.readouterr().out


@pytest.mark.parametrize("command", commands("closed_loop"))
def test_decoders_are_compared_in_the_loop_and_offline(command, tmp_path, data_folder):
    shown = run(command, tmp_path)
    decoders = re.search(r"--decoder ((?:[\w:]+ ?)+)", command)
    assert all(decoder in shown for decoder in (decoders[1].split() if decoders else ["kalman"]))
    if report := re.search(r"--report (\S+)", command):
        assert "<svg" in (tmp_path / report[1]).read_text()


@pytest.mark.parametrize("command", commands("many_machines"))
def test_what_runs_on_many_machines_runs_on_this_one(command, tmp_path):
    run(command, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left in ({"sweep"}, {"offline"}, {"long-0.npz", "long-1.npz"})


def test_a_decoder_of_ones_own_moves_the_cursor_and_one_of_ours_is_written(tmp_path):
    with contextlib.chdir(tmp_path):
        exec(program("decoders"), {})
    compared, written, again = [run(command, tmp_path) for command in commands("decoders")]
    assert "net.onnx" in compared
    assert "submission/decoder.py" in written
    assert "falcon:submission/decoder.py:Decoder" in again


def test_a_device_stimulates_a_stream_over_a_broker(tmp_path, start):
    stream, device = HARDWARE
    with Mosquitto(tmp_path) as broker:
        streaming, stimulating = (
            start(*line.replace("mqtt://localhost", broker.url).split()[1:], "--duration", 8, "--json")
            for line in (stream, device)
        )
        printed, errors = streaming.communicate(timeout=280)
        assert streaming.returncode == 0, errors
        assert json.loads(printed)["mqtt"]["published"] > 400
        _, errors = stimulating.communicate(timeout=280)
        assert stimulating.returncode == 0, errors


def test_a_stream_is_recorded_and_read(tmp_path, bundle_path, capsys):
    to_xdf, finish = commands("record")
    read, follow, *_ = blocks("record", "python")
    with stream(bundle_path, name="lab"):
        run(to_xdf.replace("--duration 60", "--duration 1"), tmp_path)
        exec(follow, {})
    (tmp_path / "session.xdf").rename(tmp_path / "session.nwb.xdf")
    run(finish, tmp_path)
    with contextlib.chdir(tmp_path):
        exec(read.replace("session.xdf", "session.nwb.xdf"), {})
    printed = capsys.readouterr().out
    assert all(re.search(rf"^{name}: \d\d+ samples$", printed, re.MULTILINE) for name in ("lab", "lab-Events"))
    assert re.search(r"^seed \d+, bins of 0.001 s, first unit ", printed, re.MULTILINE)
    assert re.search(r"^unit \d+ in bin \d+$", printed, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"session.nwb", "session.nwb.xdf"}


def test_ezmsg_follows_a_stream(bundle_path, tmp_path):
    *_, mne_lsl, ezmsg = blocks("record", "python")
    compile(mne_lsl, "record.md", "exec")  # its own liblsl does not find streams of a session of tests
    compile(ezmsg, "record.md", "exec")
    pytest.importorskip("ezmsg.lsl", reason="not installed here; docs/record.md says with which version the recipe ran")
    (tmp_path / "recipe.py").write_text(ezmsg)
    with stream(bundle_path, name="lab"):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        program = subprocess.Popen([sys.executable, tmp_path / "recipe.py"], cwd=tmp_path, **pipes)
        try:
            assert program.stdout is not None
            printed = ""
            while "AxisArray" not in printed:
                line = program.stdout.readline()
                assert line, printed
                printed += line
        finally:
            program.kill()
            program.communicate()


def test_a_stream_is_recorded_verified_and_sent_out_again(tmp_path):
    record, verify, replay = CAPTURED
    with stream("m1-sim", name="lab"):
        run(record.replace("--duration 60", "--duration 1"), tmp_path)
    assert "lab: all agrees" in run(verify, tmp_path)
    assert json.loads(run(f"{replay} --json", tmp_path))["samples"] > 50


def test_a_bundle_is_signed_and_required_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKELOOP_KEY_PASSWORD", "")
    for command in commands("signing"):
        run(command, tmp_path)
    assert (tmp_path / "spikes.npz").is_file()


def test_what_is_written_is_verified(tmp_path):
    pytest.importorskip("pynwb")
    _, generated, _, loop = [run(command, tmp_path) for command in commands("verify")]
    assert "m1-sim: all agrees" in generated
    assert json.loads(loop)["agrees"] is True


@pytest.mark.parametrize("command", VOLTAGE)
def test_the_voltage_is_streamed_and_written(command, tmp_path):
    if "neuropixels" in command:
        pytest.importorskip("probeinterface", reason="needs probeinterface")
    run(command, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_the_programs_about_sorters_run(tmp_path):
    pytest.importorskip("spikeinterface", reason="needs spikeinterface")
    pytest.importorskip("numba", reason="spikeinterface's comparison needs numba")
    generated, scored = commands("score_sorting")
    run(generated, tmp_path)
    with np.load(tmp_path / "trace.npz") as truth:
        sorted_ = {"spike_times": truth["samples"], "spike_clusters": truth["units"]}
    (tmp_path / "sorted").mkdir()
    for name, values in sorted_.items():
        np.save(tmp_path / "sorted" / f"{name}.npy", values)
    labels = "".join(f"{unit}\tgood\n" for unit in np.unique(sorted_["spike_clusters"]))
    (tmp_path / "sorted" / "cluster_group.tsv").write_text(f"cluster_id\tgroup\n{labels}")
    (tmp_path / "sorted" / "params.py").write_text("sample_rate = 30000.\n")
    assert "mean accuracy 0.9" in run(scored, tmp_path) or "mean accuracy 1.0" in run(scored, tmp_path)
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(_replaced(program("score_sorting"), SMALLER), {})
        exec(program("voltage"), {})
    assert printed.getvalue() == "1.0 1.0 0.0\n"
    assert (tmp_path / "score.html").exists()
    made = run("spikeloop generate m1-sim --duration 5 --broadband again.raw --templates analyzer", tmp_path)
    assert "in the voltage of 128 channels" in made


def test_a_program_of_ones_own_steers_a_stream(tmp_path):
    (command,) = LIVE
    sender = subprocess.Popen([sys.executable, "-c", STEERING])
    try:
        shown = typed(f"{command} --json", tmp_path)
    finally:
        sender.kill()
        sender.wait()
    condition = json.loads(shown)["condition"]
    assert condition["samples"] > 100
    assert condition["invalid"] == condition["clipped"] == condition["resting_bins"] == 0


def test_a_program_lets_something_go_wrong(start):
    ended = start(program=PERTURBING)
    printed, said = ended.communicate(timeout=300)
    assert (ended.returncode, printed) == (0, ""), said


def test_the_subscriber_prints_every_bin(start, bundle_path):
    assert len(program("subscribe").splitlines()) <= 10
    subscriber = subprocess.Popen([sys.executable, "-uc", program("subscribe")], stdout=subprocess.PIPE, text=True)
    stream = start("stream", bundle_path)  # under its default name, as in the page
    try:
        assert subscriber.stdout is not None
        lines = [subscriber.stdout.readline() for _ in range(20)]
    finally:
        subscriber.kill()
        subscriber.communicate()
        stream.kill()
    stamps = [
        float(match[1]) for line in lines if (match := re.fullmatch(r"bin that ended at (.*) s: \d+ spikes\n", line))
    ]
    assert len(stamps) == 20
    np.testing.assert_allclose(np.diff(stamps), 0.001, atol=0.0011)  # printed to a millisecond


def test_the_replays_of_the_page_run(tmp_path):
    stamps_s = 100 + np.arange(200) / 50
    streams = [("lab", "Spikes", 50.0, "int16", np.zeros((200, 4), int), stamps_s)]
    written(tmp_path / "session.xdf", [*streams, ("lab-Markers", "Markers", 0.0, "string", [["go"]], [101.5])])
    for line in commands("replay"):
        run(line, tmp_path)
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program("replay"), "docs/replay.md", "exec"), {})
    assert "session.xdf: " in printed.getvalue()


ROWS = re.findall(r"^\| (`spikeloop ([\w-]+).*?) \| .*? \| (.*?) ?\|$", PAGES["commands"], re.MULTILINE)


@pytest.mark.parametrize(("command", "name", "options"), ROWS)
def test_every_option_of_the_table_exists(command, name, options):
    words = [name, "stimulator"] if name == "device" else [name]
    shown = run(f"spikeloop {' '.join(words)} --help", REPOSITORY)
    for option in re.findall(r"--[a-z][a-z0-9-]*", command + options):
        assert f"{option} " in shown


def test_the_table_has_every_command():
    assert [name for _, name, _ in ROWS] == list(COMMANDS)


@pytest.mark.parametrize(
    "target",
    [
        "stream",
        "web",
        "demo-hardware",
        "test",
        "test-fast",
        "soak",
        "bench",
        "realism",
        "check",
        "audit",
        "sbom",
        "pictures",
        "docs",
    ],
)
def test_the_make_targets_exist(target):
    outcome = subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize(
    "report",
    [
        HealthReport,
        ConditionReport,
        BridgeReport,
        Reception,
        LoopLatency,
        LinkReport,
        StreamRecord,
        EphysSocketReport,
        ClientReport,
    ],
)
def test_every_counter_of_a_report_is_defined_on_its_page(report):
    page = (REPOSITORY / "docs" / "counters.md").read_text()
    assert not [field.name for field in dataclasses.fields(report) if f"`{field.name}`" not in page]
