"""SpikeInterface reads what `generate --broadband` writes, and finds the units that were planted."""

import json
import re
import warnings

import numpy as np
import pytest
from scipy.signal import find_peaks

import spikeloop
from spikeloop.models.errors import BadInputError
from tests.support.command_line import run
from tests.support.tiny import tiny_bundle, tiny_generator

UNITS, SECONDS = 8, 10

with warnings.catch_warnings():  # its own
    warnings.simplefilter("ignore")
    core = pytest.importorskip("spikeinterface.core", reason="needs spikeinterface")
    pytest.importorskip("numba", reason="spikeinterface's comparison needs numba")
    comparison = pytest.importorskip("spikeinterface.comparison", reason="needs spikeinterface")
    preprocessing = pytest.importorskip("spikeinterface.preprocessing", reason="needs spikeinterface")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def written(tmp_path):
    """A file of eight units, each on a channel of its own, at some 10 Hz; its description; its spikes."""
    tiny_bundle(tmp_path / "tiny", units=UNITS, generator=tiny_generator(UNITS, bias=-8.5))
    path = tmp_path / "trace.raw"
    run("generate", tmp_path / "tiny", "--duration", SECONDS, "--channels", 16, "--broadband", path)
    with np.load(path.with_suffix(".npz")) as archive:
        spikes = dict(archive)
    return path, json.loads(path.with_suffix(".json").read_text()), spikes


def recording_of(path, told):
    made = core.read_binary(
        str(path), sampling_frequency=told["rate_hz"], dtype=told["dtype"], num_channels=told["channels"],
        gain_to_uV=told["microvolts_per_bit"], offset_to_uV=0.0,
    )  # fmt: skip
    made.set_channel_locations(told["positions_um"])
    return made


def test_the_recording_has_the_length_scale_and_places_that_were_written(written):
    path, told, spikes = written
    recording = recording_of(path, told)
    assert recording.get_num_samples() == told["samples"] == SECONDS * 30_000
    microvolts = recording.get_traces(return_in_uV=True)
    quiet = sorted(set(range(16)) - {unit["peak_channel"] for unit in told["units"]})
    expected = np.sqrt(7**2 + 3**2 + 2**2 / 2)
    np.testing.assert_allclose(microvolts[:, quiet].std(axis=0), expected, rtol=0.05)
    for number, unit in enumerate(told["units"]):
        troughs = microvolts[spikes["samples"][spikes["units"] == number], unit["peak_channel"]]
        assert np.median(troughs) == pytest.approx(-unit["peak_uv"], abs=0.2 * unit["peak_uv"])


def test_a_recording_is_ready_with_its_probe_and_the_true_spikes(written):
    path, told, spikes = written
    recording, truth = spikeloop.read_broadband(path)
    by_hand = recording_of(path, told)
    np.testing.assert_array_equal(recording.get_traces(end_frame=3000), by_hand.get_traces(end_frame=3000))
    np.testing.assert_array_equal(recording.get_channel_locations(), told["positions_um"])
    assert recording.get_channel_gains().tolist() == [told["microvolts_per_bit"]] * 16
    probe = recording.get_probe()
    assert (probe.si_units, probe.get_contact_count()) == ("um", 16)
    np.testing.assert_array_equal(probe.device_channel_indices, np.arange(16))
    assert list(truth.get_property("unit_name")) == list(spikes["unit_names"])
    for unit in range(UNITS):
        np.testing.assert_array_equal(truth.get_unit_spike_train(unit), spikes["samples"][spikes["units"] == unit])


@pytest.mark.parametrize("suffix", [".raw", ".json", ".probe.json", ".npz"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_what_is_missing_or_damaged_is_named(written, suffix, damage):
    path, _, _ = written
    if damage == "missing":
        path.with_suffix(suffix).unlink()
    else:
        path.with_suffix(suffix).write_bytes(path.with_suffix(suffix).read_bytes()[:40])
    with pytest.raises(BadInputError, match=rf"trace{re.escape(suffix)}: expected"):
        spikeloop.read_broadband(path)


def test_a_simple_sorter_finds_the_planted_units(written):
    """High-pass, threshold, one unit a channel; compared with the truth within 0.4 ms."""
    path, told, spikes = written
    filtered = preprocessing.bandpass_filter(recording_of(path, told), 300.0, 6000.0).get_traces()
    found = {}
    for unit in told["units"]:
        trace = filtered[:, unit["peak_channel"]].astype(float)
        height = 4.5 * np.median(np.abs(trace)) / 0.6745
        found[unit["name"]] = find_peaks(-trace, height=height, distance=75)[0]  # the filter rings for 2 ms
    truth = {unit["name"]: spikes["samples"][spikes["units"] == i] for i, unit in enumerate(told["units"])}
    sorters = [core.NumpySorting.from_unit_dict([each], sampling_frequency=30_000.0) for each in (truth, found)]
    compared = comparison.compare_sorter_to_ground_truth(*sorters, exhaustive_gt=True)
    performance = compared.get_performance()
    large = [unit["name"] for unit in told["units"] if unit["peak_uv"] > 60]
    assert len(large) >= UNITS / 2
    assert performance.loc[large, "recall"].astype(float).min() > 0.85  # refractory pairs merge
    assert performance.loc[large, "precision"].astype(float).min() > 0.85
    assert len(compared.get_well_detected_units(well_detected_score=0.8)) >= len(large)
