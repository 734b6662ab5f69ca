"""NWB files on a server: read in part, found in the archive, and every way in which a server fails."""

import socket
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from spikeloop.exporters.formats.nwb.reader import items
from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.storage.remote import Remote, located
from spikeloop.models.errors import BadInputError, FailureError
from tests.support.file_server import file_server
from tests.support.nwb_sessions import session_of_a_lab

pytestmark = [pytest.mark.realtime, pytest.mark.filterwarnings("ignore")]  # a server, and PyNWB warns about HDMF

BIN_S = 0.02
PATH = "sub-1/sub-1_ses-a.nwb"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_of_a_lab(tmp_path_factory.mktemp("nwb") / "session.nwb")


@pytest.fixture
def server():
    with file_server() as server:
        yield server


def test_a_file_on_a_server_gives_the_same_recording(session, server):
    address = server.add(session, "somewhere/session.nwb?token=1".partition("?")[0])
    choices = {"units": "good", "trials": "all", "conditions": {"v": "Velocity"}}
    remote, local = (read_recording(place, BIN_S, **choices) for place in (address, session))
    np.testing.assert_array_equal(remote.counts, local.counts)
    np.testing.assert_array_equal(remote.conditions, local.conditions)
    assert remote.name == "session"
    assert {item.path for item in items(located(address))} == {item.path for item in items(session)}


def test_only_the_parts_that_are_needed_are_fetched(tmp_path, server):
    with h5py.File(tmp_path / "large.nwb", "w") as file:
        file["units/spike_times"], file["units/spike_times_index"] = np.linspace(0, 9, 1000), [400, 1000]
        file["acquisition/raw/data"] = np.random.Generator(np.random.Philox(0)).random(4_000_000)
        file["acquisition/raw/timestamps"] = np.arange(10.0)
    address = server.add(tmp_path / "large.nwb", "large.nwb")
    assert read_recording(address, BIN_S).counts.sum() == 1000
    assert server.sent < 2_000_000 < len(server.files["/large.nwb"])


@pytest.mark.parametrize("version", [None, "0.240501.1200"])
def test_a_file_in_the_archive_is_found_by_its_dandiset_and_path(session, server, monkeypatch, version):
    monkeypatch.setenv("SPIKELOOP_DANDI_API", server.add_dandiset("000128", {PATH: session}, version) + "/")
    expected = read_recording(session, BIN_S)
    addresses = [f"dandi:000128/{PATH}", f"DANDI:000128@{version or 'draft'}/{PATH}"]
    for address in addresses:
        np.testing.assert_array_equal(read_recording(address, BIN_S).counts, expected.counts)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("dandi:000128/sub-2/none.nwb", f"no such file in version draft of dandiset 000128; there are {PATH}"),
        ("dandi:000999/x.nwb", "no such dandiset"),
        ("dandi:000128@0.1/x.nwb", "no such dandiset or version"),
        ("dandi:128", "expected dandi:ID/PATH"),
    ],
)
def test_what_the_archive_does_not_have_is_refused(session, server, monkeypatch, address, words):
    monkeypatch.setenv("SPIKELOOP_DANDI_API", server.add_dandiset("000128", {PATH: session}))
    with pytest.raises(BadInputError, match=words):
        read_recording(address, BIN_S)


def test_a_server_without_parts_of_files_is_refused(session, server):
    server.ranges = False
    with pytest.raises(FailureError, match="sends parts of files.*download"):
        read_recording(server.add(session, "session.nwb"), BIN_S)
    assert server.sent < 2 * session.stat().st_size


def test_a_file_that_is_not_on_the_server_is_told(server):
    with pytest.raises(FailureError, match="404"):
        read_recording(f"{server.url}/none.nwb", BIN_S)


@pytest.mark.parametrize("archive", [False, True])
def test_a_server_that_is_not_there_is_told(monkeypatch, archive):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("SPIKELOOP_DANDI_API", url)
        with pytest.raises(FailureError, match="could not read"):
            read_recording("dandi:000128/x.nwb" if archive else f"{url}/session.nwb", BIN_S)


def test_a_server_that_breaks_off_is_told(session, server, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    server.broken_after = 1
    with pytest.raises(FailureError, match=r"could not read http.*try again"):
        read_recording(server.add(session, "session.nwb"), BIN_S)


READING = """
import sys, time
import spikeloop
time.sleep = lambda seconds: None  # between attempts
try:
    spikeloop.read_recording(sys.argv[1], 0.02)
except spikeloop.SpikeloopError as error:
    sys.exit(f"told: {error}")
"""


def test_a_process_whose_server_breaks_off_ends_well(session, server):
    server.broken_after = 1
    address = server.add(session, "session.nwb")
    done = subprocess.run([sys.executable, "-c", READING, address], capture_output=True, text=True)
    assert (done.returncode, done.stderr[:20]) == (1, "told: could not read"), done.stderr


def test_what_is_no_nwb_file_on_a_server_is_refused(tmp_path, server):
    (tmp_path / "page.html").write_text("<html>" + "no data " * 100)
    with pytest.raises(BadInputError, match="not a readable HDF5 file"):
        read_recording(server.add(tmp_path / "page.html", "page.html"), BIN_S)


@pytest.mark.parametrize("text", ["https://host/a/b.nwb?x=1", "HTTP://host/b.nwb", "dandi:000001/b.nwb"])
def test_addresses_are_told_from_paths(text, tmp_path):
    found = located(text)
    assert isinstance(found, Remote)
    assert (str(found), found.stem) == (text, "b")
    assert located(str(tmp_path / "b.nwb")) == tmp_path / "b.nwb"
