"""Files of a truth and of sorters, read and judged."""

import json
import re
import warnings

import numpy as np
import pytest

import spikeloop
from spikeloop.exporters.formats.xdf.writer import XdfWriter
from spikeloop.models.errors import BadInputError
from tests.support.command_line import fails, printed_by, run
from tests.support.tiny import tiny_bundle, tiny_generator
from tests.support.xdf_files import header

UNITS, SECONDS, RATE_HZ = 4, 6, 30_000

with warnings.catch_warnings():  # its own
    warnings.simplefilter("ignore")
    pytest.importorskip("spikeinterface.comparison", reason="needs spikeinterface")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def voltage(tmp_path_factory):
    """FILE.raw with the true spikes beside it, and these."""
    folder = tmp_path_factory.mktemp("scored")
    tiny_bundle(folder / "tiny", units=UNITS, generator=tiny_generator(UNITS, bias=-7.0))
    path = folder / "trace.raw"
    run("generate", folder / "tiny", "--duration", SECONDS, "--channels", 4, "--broadband", path)
    with np.load(path.with_suffix(".npz")) as archive:
        return path, archive["times_s"], archive["units"]


@pytest.fixture
def kilosort(voltage, tmp_path):
    """A sorter's folder with all spikes but every tenth, and a unit of nobody's."""
    _, times_s, units = voltage
    kept = np.arange(len(times_s)) % 10 > 0
    samples = np.concatenate([np.rint(times_s[kept] * RATE_HZ), np.arange(1, 51) * 3000]).astype(np.uint64)
    clusters = np.concatenate([units[kept], np.full(50, 9)]).astype(np.int32)
    order = np.argsort(samples, kind="stable")
    folder = tmp_path / "kilosort4"
    folder.mkdir()
    np.save(folder / "spike_times.npy", samples[order])
    np.save(folder / "spike_clusters.npy", clusters[order])
    (folder / "params.py").write_text(f"sample_rate = {RATE_HZ}.\n")
    (folder / "cluster_group.tsv").write_text(
        "cluster_id\tgroup\n" + "".join(f"{unit}\tgood\n" for unit in range(UNITS)) + "9\tmua\n"
    )
    return folder


def test_a_sorter_s_folder_is_judged_by_the_spikes_in_the_voltage(voltage, kilosort):
    score = spikeloop.score_sorting(voltage[0], kilosort, found_units="good")
    assert len(score.units) == UNITS
    assert {unit.precision for unit in score.units} == {1.0}
    for unit in score.units:
        assert unit.recall == pytest.approx(0.9, abs=0.1)
        assert (unit.found or "").endswith(unit.unit.removeprefix("unit "))
    assert abs(score.latency_ms) < 0.02  # half a sample
    assert score.unmatched == ()
    assert len(spikeloop.score_sorting(voltage[0], kilosort).unmatched) == 1


def test_what_an_online_sorter_sent_is_judged_in_the_recording_that_has_the_truth_too(voltage, tmp_path, random):
    """It came 2 ms late, on the same clock."""
    _, times_s, units = voltage
    path = tmp_path / "session.xdf"
    with XdfWriter(path) as writer:
        true = writer.add_stream(header("lab-Events", "SpikeEvents", ["unit"], 0.0, "int32"))
        writer.add_samples(true, units[:, np.newaxis].astype(np.int32), 1000 + times_s)
        found = writer.add_stream(header("sorter", "SpikeEvents", ["unit"], 0.0, "int32"))
        late_s = times_s + 0.002 + 2e-5 * random.standard_normal(len(times_s))
        writer.add_samples(found, units[:, np.newaxis].astype(np.int32), np.sort(1000 + late_s))
    score = spikeloop.score_sorting(path, path, truth_key="lab-Events", found_key="sorter", offset_s="auto")
    assert score.accuracy > 0.97
    assert score.latency_ms == pytest.approx(2.0, abs=0.02)
    assert score.jitter_ms == pytest.approx(0.02, abs=0.01)
    assert score.offset_s == pytest.approx(-0.002, abs=1e-5)


def test_generated_recordings_are_judged_without_a_file(tmp_path):
    bundle = tiny_bundle(tmp_path / "tiny", units=UNITS)
    recording = spikeloop.generate(bundle, duration_s=2)
    assert spikeloop.score_sorting(recording, recording).accuracy == 1
    counted = spikeloop.Recording.from_counts(np.ones((10, 2), int), bin_size_s=0.02)
    with pytest.raises(BadInputError, match="FOUND: expected a continuous recording with spike_times"):
        spikeloop.score_sorting(recording, counted)


def test_a_chosen_stretch_of_the_truth_alone_counts(voltage):
    score = spikeloop.score_sorting(voltage[0], voltage[0], start_s=1, stop_s=3)
    assert (round(score.start_s), round(score.stop_s)) == (1, 3)
    assert sum(unit.spikes for unit in score.units) == np.count_nonzero((voltage[1] >= 1) & (voltage[1] < 3))


def test_the_command_prints_what_python_returns(voltage, kilosort, capsys, tmp_path):
    document = printed_by(capsys, "score-sorting", voltage[0], kilosort, "--found-units", "good")
    expected = spikeloop.score_sorting(voltage[0], kilosort, found_units="good").to_dict()
    assert document == json.loads(
        json.dumps(expected | {"truth": str(voltage[0]), "found": str(kilosort), "plot": None})
    )
    run("score-sorting", voltage[0], kilosort)
    printed = capsys.readouterr().out
    assert "4 of 4 units found" in printed
    assert "1 found units are of no true unit, 0 of them redundant; 0 of all found units are overmerged" in printed


def test_a_page_and_a_picture_are_written(voltage, kilosort, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    for name in ("score.html", "score.png", "score.svg"):
        run("score-sorting", voltage[0], kilosort, "--plot", tmp_path / name)
    page = (tmp_path / "score.html").read_text()
    assert "Sorting of" in page
    assert page.count("<svg") == 3
    assert f"spikeloop score-sorting {voltage[0]}" in page
    assert (tmp_path / "score.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "score.pdf"], "--plot: expected a file ending in .html, .svg, .png"),
        (["--offset", "late"], "--offset: expected seconds or auto, found 'late'"),
        (["--tolerance-ms", "-1"], "--tolerance-ms: expected 0 to 100 ms, found -1"),
        (["--found-units", "best"], "spikeloop: --found-units: expected a label, names"),
    ],
)
def test_what_can_not_be_used_is_named(voltage, kilosort, capsys, options, message):
    code, said = fails(capsys, "score-sorting", voltage[0], kilosort, *options)
    assert (code, message in said) == (2, True), said


def test_a_file_or_folder_that_is_not_there_is_named(voltage, capsys):
    code, said = fails(capsys, "score-sorting", voltage[0], "kilosort4")
    assert code == 2
    assert said == "spikeloop: FOUND: expected a file or folder with times of spikes, found nothing at kilosort4\n"


@pytest.fixture
def silent(tmp_path):
    """A file in which nobody spikes."""
    path = tmp_path / "silent.npz"
    np.savez(path, spike_times=np.zeros(0), unit_ids=np.zeros(0, int))
    return path


def test_a_file_without_spikes_is_named(voltage, silent, capsys):
    for what, files in (("TRUTH", (silent, voltage[0])), ("FOUND", (voltage[0], silent))):
        code, said = fails(capsys, "score-sorting", *files)
        assert (code, f"{what}: silent.npz: expected spikes, found none" in said) == (2, True), said


def test_a_recording_without_spikes_is_named(tmp_path):
    bundle = tiny_bundle(tmp_path / "tiny", units=2, generator=tiny_generator(2, bias=-40.0))
    with pytest.raises(BadInputError, match="TRUTH: .*expected spikes, found none in 2 units"):
        spikeloop.score_sorting(spikeloop.generate(bundle, duration_s=1), tmp_path)


def test_an_empty_file_is_named(voltage, tmp_path, capsys):
    for name in ("empty.npz", "empty.csv", "empty.xdf", "empty.nwb", "empty.mat"):
        (tmp_path / name).touch()
        code, said = fails(capsys, "score-sorting", voltage[0], tmp_path / name)
        assert (code, name in said) == (2, True), said


@pytest.mark.parametrize(
    ("stretch", "message"),
    [
        (["--start", 3, "--stop", 1], "--stop: expected a time after --start (3 s), found 1 s"),
        (["--start", 2, "--stop", 2], "--stop: expected a time after --start (2 s), found 2 s"),
        (["--start", 100], "--start, --stop: expected true spikes in the stretch that they choose, found none"),
    ],
)
def test_a_stretch_without_spikes_is_refused_by_name(voltage, capsys, stretch, message):
    code, said = fails(capsys, "score-sorting", voltage[0], voltage[0], *stretch)
    assert (code, message in said) == (2, True), said


def test_the_plot_is_named_where_it_is_written_in_a_folder_that_is_made(voltage, kilosort, capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    plot = tmp_path / "new" / "folder" / "score.svg"
    run("score-sorting", voltage[0], kilosort, "--plot", plot)
    assert capsys.readouterr().out.splitlines()[-1] == f"plot: {plot}"
    assert plot.stat().st_size > 0


def test_no_figure_is_nan_or_less_than_nothing(voltage, tmp_path):
    """One unit is found, a little early; the others by nobody."""
    _, times_s, units = voltage
    own_s = times_s[units == 0]
    np.savez(tmp_path / "found.npz", spike_times=own_s - 1e-8, unit_ids=np.zeros(len(own_s), int))
    score = spikeloop.score_sorting(voltage[0], tmp_path / "found.npz")
    shown = f"{score}{score._repr_html_()}"
    assert not re.search(r"\bnan\b", shown)
    assert "-0.000" not in shown
    assert "a dash: no found unit matches this true one" in shown
    assert np.isnan(score.units[1].latency_ms)


def test_counts_without_times_are_refused(voltage, tmp_path, capsys):
    np.savez(tmp_path / "counts.npz", spikes=np.ones((50, 3), np.uint8), bin_size_s=0.02)
    code, said = fails(capsys, "score-sorting", voltage[0], tmp_path / "counts.npz")
    assert (code, "expected times of spikes, found counts in bins" in said) == (2, True)


def test_a_voltage_without_its_spikes_beside_it_is_refused_by_name(tmp_path, capsys):
    alone = tmp_path / "alone.raw"
    code, said = fails(capsys, "score-sorting", alone, tmp_path)
    assert (code, f"TRUTH: expected the spikes of {alone} in {alone.with_suffix('.npz')}" in said) == (2, True), said
