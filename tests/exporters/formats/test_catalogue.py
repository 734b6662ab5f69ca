import functools
import http.server
import threading
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import scipy.io

from spikeloop.exporters.formats import catalogue
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.recordings import simulated_cortex
from spikeloop.models.recordings.simulated import packets
from spikeloop.models.recordings.simulated_cortex import m1_sim


@pytest.fixture
def published(tmp_path, monkeypatch, random):
    """A local HTTP server in the authors' place, with a file laid out as theirs."""
    folder = tmp_path / "published"
    folder.mkdir()
    data = random.integers(0, 2, (3 * 953, 4)).astype(float)
    scipy.io.savemat(folder / "retina.mat", {"data": data})
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = sha256((folder / "retina.mat").read_bytes()).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/retina.mat"
    entry = replace(catalogue.CATALOGUE["retina"], url=url, sha256=digest)
    monkeypatch.setitem(catalogue.CATALOGUE, "retina", entry)
    yield folder / "retina.mat", data
    server.shutdown()
    server.server_close()


def fetch(tmp_path):
    return read_recording("retina", folder=tmp_path / "nothing here", cache=tmp_path / "cache")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # requests leaves its connection to the collector
def test_a_named_recording_is_fetched_where_it_is_absent_and_kept(published, tmp_path):
    path, data = published
    recording = fetch(tmp_path)
    np.testing.assert_array_equal(recording.counts, data.reshape(3, 953, 4))
    assert (recording.name, recording.bin_size_s) == ("retina", 0.02)
    path.unlink()
    assert fetch(tmp_path).repeats == 3  # from the cache


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_fetched_file_of_another_hash_is_refused_and_not_kept(published, tmp_path):
    published[0].write_bytes(b"something else")
    with pytest.raises(FailureError, match="hash"):
        fetch(tmp_path)
    assert not list((tmp_path / "cache").glob("*.mat"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_failed_fetch_says_what_to_do(published, tmp_path):
    published[0].unlink()
    with pytest.raises(FailureError, match="could not fetch retina from http.*SPIKELOOP_DATA"):
        fetch(tmp_path)


def test_the_published_file_is_known_by_its_hash(published):
    path, data = published
    recording = read_recording(str(path))
    np.testing.assert_array_equal(recording.counts, data.reshape(3, 953, 4))
    assert recording.name == "retina"


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(
        BadInputError,
        match=r"no recording named 'retna'; there are retina, m1_jango, .*, m1-sim, packets:MODES:WINDOWS; others go",
    ):
        read_recording("retna")


def test_local_recordings_are_found_by_name(data_folder):
    jango = read_recording("m1_jango", folder=data_folder)
    assert (jango.counts.shape, jango.bin_size_s) == ((1, 18000, 96), 0.05)
    assert jango.conditions.shape == (1, 18000, 4)
    rat = read_recording("rat_m1_ms", folder=data_folder)
    assert (rat.counts.shape[1:], rat.bin_size_s) == ((2000, 30), 0.001)
    assert rat.repeats == 1013


def test_the_rat_motor_cortex_as_published_is_what_lies_locally(data_folder, tmp_path):
    """Put back into the published layout: spike times from `tmin`, ids of units and trials."""
    with np.load(data_folder / "rat_m1_ms" / "rat_m1_ms.npz") as local:
        np.savez(
            tmp_path / "published.npz",
            spiketimes=local["spike_time_ms"] - 500.0,
            neuron_ids=local["unit"].astype(float),
            trial_ids=local["trial"].astype(float),
            tmin=[-500.0],
            tmax=[1500.0],
        )
    original = catalogue.CATALOGUE["rat_m1_ms"].read_original(tmp_path / "published.npz")
    np.testing.assert_array_equal(original.counts, read_recording("rat_m1_ms", folder=data_folder).counts)


def test_the_motor_cortex_rates_as_published_become_counts_with_the_cursor(tmp_path, random):
    counts, position, velocity = random.integers(0, 9, (100, 5)), *random.standard_normal((2, 100, 2))
    speed = np.hypot(*velocity.T)[:, np.newaxis]  # their third column
    session = {
        "spikeratedata": counts * 20.0,
        "cursorposbin": position,
        "velocbin": np.concatenate([velocity, speed], axis=1),
    }
    scipy.io.savemat(tmp_path / "jango.mat", {"train_data": session})
    recording = catalogue.CATALOGUE["m1_jango"].read_original(tmp_path / "jango.mat")
    np.testing.assert_array_equal(recording.counts[0], counts)
    kinematics = np.concatenate([position, velocity], axis=1).astype(np.float32)
    np.testing.assert_array_equal(recording.conditions[0], kinematics)
    assert [each.name for each in recording.channels] == ["position x", "position y", "velocity x", "velocity y"]


def test_simulated_cortex_is_made_by_name():
    short, drifting = read_recording("m1-sim:20"), read_recording("m1-sim:20.5:drift")
    assert (short.counts.shape, short.bin_size_s, short.name) == ((1, 1000, 96), 0.02, "m1-sim:20")
    np.testing.assert_array_equal(short.counts, m1_sim(20).counts)
    np.testing.assert_array_equal(drifting.counts, m1_sim(20.5, drift=True).counts)
    assert not np.array_equal(drifting.counts, m1_sim(20.5).counts)


def test_simulated_cortex_lasts_half_an_hour_by_default(monkeypatch):
    monkeypatch.setattr(simulated_cortex, "m1_sim", functools.partial(m1_sim, units=1))
    recording = read_recording("m1-sim")
    assert (recording.counts.shape, recording.name) == ((1, 90000, 1), "m1-sim")


@pytest.mark.parametrize("name", ["m1-sim:", "m1-sim:ten", "m1-sim:-5", "m1-sim:60:drifts", "m1-sim:1e3", "m1-sim:60:"])
def test_simulated_cortex_asked_for_otherwise_says_how(name):
    with pytest.raises(BadInputError, match=rf"expected m1-sim, m1-sim:SECONDS or .*:drift, found '{name}'"):
        read_recording(name)


@pytest.mark.parametrize("modes", [1, 2])
def test_packets_are_made_by_name(modes):
    recording = read_recording(f"packets:{modes}:25")
    assert (recording.counts.shape, recording.bin_size_s) == ((25, 32, 32), 0.001)
    assert recording.name == f"packets:{modes}:25"
    np.testing.assert_array_equal(recording.counts, packets(25, modes=modes).recording.counts)


@pytest.mark.parametrize(
    "name", ["packets", "packets:1", "packets:3:25", "packets:1:0", "packets:1:2.5", "packets:1:25:"]
)
def test_packets_asked_for_otherwise_say_how(name):
    with pytest.raises(BadInputError, match=rf"expected packets:MODES:WINDOWS, .* found '{name}'"):
        read_recording(name)
