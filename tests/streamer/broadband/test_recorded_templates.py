"""Waveforms from a sorted recording, through SpikeInterface."""

import json
import logging
import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.amplifier import INTAN, Amplifier
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.read_broadband import read_broadband
from spikeloop.streamer.broadband.recorded_templates import open_recorded_templates
from tests.support.command_line import run
from tests.support.tiny import tiny_bundle, tiny_generator, tiny_stream_card

UNITS, CHANNELS, SECONDS = 4, 16, 15

with warnings.catch_warnings():  # its own
    warnings.simplefilter("ignore")
    core = pytest.importorskip("spikeinterface.core", reason="needs spikeinterface")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A voltage with the spikes of four units in it, and what was put in."""
    folder = tmp_path_factory.mktemp("recorded")
    bundle = tiny_bundle(folder / "tiny", units=UNITS, generator=tiny_generator(UNITS, bias=-8.0))
    path = folder / "trace.raw"
    run(
        "generate",
        folder / "tiny",
        "--duration",
        SECONDS,
        "--channels",
        CHANNELS,
        "--probe",
        "linear",
        "--broadband",
        path,
    )
    planted = open_broadband(bundle.card, 0, VoltageOptions(probe="linear", channels=CHANNELS), None)
    return path, planted


def on_all_channels(template, span: int) -> np.ndarray:
    whole = np.zeros((span, CHANNELS))
    whole[:, template.first_channel :][:, : template.waveform.shape[1]] = template.waveform
    return whole


@pytest.mark.parametrize("rate_hz", [30_000, 25_000])
def test_the_waveforms_of_a_voltage_are_those_that_were_put_in(written, rate_hz):
    path, planted = written
    amplifier = Amplifier(rate_hz)
    probe, templates = open_recorded_templates(path, UNITS, amplifier, 3)
    expected = open_broadband(
        tiny_stream_card(UNITS), 0, VoltageOptions(probe="linear", channels=CHANNELS, sampling_rate_hz=rate_hz), None
    ).templates
    np.testing.assert_array_equal(probe.positions_um, planted.probe.positions_um)
    assert len({id(template) for template in templates}) == UNITS
    for template in templates:
        found = on_all_channels(template, amplifier.span) * amplifier.microvolts_per_bit
        errors_uv = [
            np.abs(found - on_all_channels(each, amplifier.span) * amplifier.microvolts_per_bit).max()
            for each in expected
        ]
        closest = expected[int(np.argmin(errors_uv))]
        assert min(errors_uv) < 0.12 * closest.peak_uv
        assert template.peak_channel == closest.peak_channel
        assert found[:, template.peak_channel].argmin() == amplifier.before
        assert np.abs(found[[0, -1]]).max() < 0.5  # begins and ends without a step


def test_an_analyzer_s_folder_gives_the_same_as_its_recording(written, tmp_path):
    recording, sorting = read_broadband(written[0])
    folder = tmp_path / "analyzer"
    analyzer = core.create_sorting_analyzer(sorting, recording, sparse=False, folder=folder, format="binary_folder")
    with pytest.raises(BadInputError, match="expected a SortingAnalyzer with templates, found none; make it with"):
        open_recorded_templates(folder, UNITS, INTAN, 0)
    analyzer.compute({"random_spikes": {"seed": 0}, "templates": {"ms_before": 1.0, "ms_after": 2.0}})
    (_, found), (_, expected) = (open_recorded_templates(path, UNITS, INTAN, 0) for path in (folder, written[0]))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.waveform, theirs.waveform)


def test_a_larger_population_shares_waveforms_and_is_warned(written, caplog):
    with caplog.at_level(logging.WARNING):
        _, templates = open_recorded_templates(written[0], 10, INTAN, 0)
    assert len({id(template) for template in templates}) == UNITS
    assert "4 recorded waveforms for 10 units; some units share one" in caplog.text


def test_a_voltage_is_made_of_them_on_the_recording_s_probe(written, tmp_path):
    path, out = tmp_path / "tiny", tmp_path / "again.raw"
    tiny_bundle(path, units=UNITS, generator=tiny_generator(UNITS, bias=-8.0))
    run("generate", path, "--duration", 0.5, "--templates", written[0], "--broadband", out)
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["positions_um"] == written[1].probe.positions_um.tolist()
    assert {unit["peak_channel"] for unit in told["units"]} == {each.peak_channel for each in written[1].templates}


def test_what_is_no_sorted_recording_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing"):
        with pytest.raises(BadInputError, match="expected a SortingAnalyzer folder of SpikeInterface, or FILE.raw"):
            open_recorded_templates(path, UNITS, INTAN, 0)
    with pytest.raises(BadInputError, match="expected a file of voltage, found none"):
        open_recorded_templates(tmp_path / "missing.raw", UNITS, INTAN, 0)


@pytest.fixture
def analyzer(written, tmp_path):
    """A folder with the templates of four units, which a test damages."""
    recording, sorting = read_broadband(written[0])
    folder = tmp_path / "analyzer"
    made = core.create_sorting_analyzer(sorting, recording, sparse=False, folder=folder, format="binary_folder")
    made.compute({"random_spikes": {"seed": 0}, "templates": {"ms_before": 1.0, "ms_after": 2.0}})
    return folder


def spoilt(unit: int, value: float):
    """Write a value into the waveform of a unit."""
    return lambda waveforms: np.where(np.arange(UNITS)[:, np.newaxis, np.newaxis] == unit, value, waveforms)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (spoilt(1, np.nan), "expected finite numbers, found others in 1 of 4 waveforms, the first of unit 1"),
        (spoilt(2, np.inf), "expected finite numbers, found others in 1 of 4 waveforms, the first of unit 2"),
        (spoilt(0, 1e9), "expected waveforms of at most 100000 uV"),
        (lambda waveforms: waveforms[:, :, 0], "expected "),
        (lambda waveforms: waveforms[:, :, :-3], "expected "),
        (lambda waveforms: waveforms[:, :2], "expected "),
        (lambda waveforms: waveforms[:0], "expected "),
    ],
)
def test_waveforms_that_can_be_none_are_refused(analyzer, damaged, message):
    path = analyzer / "extensions" / "templates" / "average.npy"
    np.save(path, damaged(np.load(path)))
    with pytest.raises(BadInputError, match=f"^--templates {analyzer}: {message}"):
        open_recorded_templates(analyzer, UNITS, INTAN, 0)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"garbage" * 100, pickle.dumps([1.0, 2.0])])
def test_files_that_hold_no_waveforms_are_refused(analyzer, tmp_path, content):
    (analyzer / "extensions" / "templates" / "average.npy").write_bytes(content)
    (tmp_path / "file.npy").write_bytes(content)
    (tmp_path / "file.raw").write_bytes(content)
    for path in (analyzer, tmp_path / "file.npy", tmp_path / "file.raw"):
        with pytest.raises(BadInputError) as refused:
            open_recorded_templates(path, UNITS, INTAN, 0)
        assert path.stem in str(refused.value)
        assert "\n" not in str(refused.value)
        assert str(refused.value).count(tempfile.gettempdir()) == str(refused.value).count(str(tmp_path))


class Opens:
    """What runs when it is unpickled: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_that_a_folder_holds_is_run(analyzer, tmp_path):
    """Neither pickles, nor what is said of the recording's class; the waveforms are read all the same."""
    ran = tmp_path / "ran"
    expected = open_recorded_templates(analyzer, UNITS, INTAN, 0)[1]
    pickled = np.array([Opens(ran)] * UNITS, dtype=object)
    (analyzer / "sorting" / "properties").mkdir(exist_ok=True)
    np.save(analyzer / "sorting" / "properties" / "mine.npy", pickled, allow_pickle=True)
    (analyzer / "extensions" / "templates" / "mine.pkl").write_bytes(pickle.dumps(Opens(ran)))
    (analyzer / "recording.json").unlink(missing_ok=True)
    (analyzer / "recording.pickle").write_bytes(pickle.dumps(Opens(ran)))
    for ours, theirs in zip(open_recorded_templates(analyzer, UNITS, INTAN, 0)[1], expected, strict=True):
        np.testing.assert_array_equal(ours.waveform, theirs.waveform)
    assert not ran.exists()


def test_a_zarr_folder_gives_the_same_and_a_pickle_in_it_is_refused(written, analyzer, tmp_path):
    recording, sorting = read_broadband(written[0])
    folder = tmp_path / "analyzer.zarr"
    made = core.create_sorting_analyzer(sorting, recording, sparse=False, folder=folder, format="zarr")
    made.compute({"random_spikes": {"seed": 0}, "templates": {"ms_before": 1.0, "ms_after": 2.0}})
    (_, found), (_, expected) = (open_recorded_templates(path, UNITS, INTAN, 0) for path in (folder, analyzer))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.waveform, theirs.waveform)
    (described,) = (
        path for name in (".zarray", "zarr.json") for path in (folder / "extensions/templates/average").glob(name)
    )
    described.write_text(described.read_text().replace("}", ', "note": "pickle"}', 1))
    with pytest.raises(BadInputError, match="found a pickle in extensions/templates/average"):
        open_recorded_templates(folder, UNITS, INTAN, 0)
