"""A bundle at an https address is pulled whole, is the one that was asked for, or leaves nothing behind."""

import re
import signal
from hashlib import sha256
from threading import Event

import pytest

import spikeloop
from spikeloop.exporters.addresses import parse_address, pull_command
from spikeloop.models.errors import BadInputError, FailureError


def hash_of(path):
    return sha256(path.read_bytes()).hexdigest()


def test_what_was_pulled_is_the_bundle_and_is_found_by_its_address_without_the_network(files, made):
    address = files.add(made / "tiny.zip", "some folder/tiny.zip".replace(" ", "%20"))
    files.files["/some%20folder/tiny.zip"] = (made / "tiny.zip").read_bytes()
    seen = []
    path = spikeloop.pull(address, hash_of(made / "tiny.zip").upper(), progress=lambda *now: seen.append(now))
    size = (made / "tiny.zip").stat().st_size
    assert path.read_bytes() == (made / "tiny.zip").read_bytes()
    assert seen[-1] == (size, size)
    asked = files.requests
    assert spikeloop.load_bundle(address).sha256 == spikeloop.load_bundle(made / "tiny").sha256
    assert spikeloop.pull(address, hash_of(made / "tiny.zip")) == path
    assert files.requests == asked


def test_a_file_is_not_pulled_without_its_hash_and_the_message_has_the_command(files, made):
    address = files.add(made / "tiny.zip", "tiny.zip")
    with pytest.raises(BadInputError, match=re.escape(f"spikeloop pull {address} --sha256 HASH")):
        spikeloop.pull(address)
    with pytest.raises(BadInputError, match="expected 64 hexadecimal digits, found 'abc'"):
        spikeloop.pull(address, "abc")
    assert files.requests == 0


def test_no_function_fetches_what_was_not_pulled_and_the_message_has_the_command(files, made, hub):
    for address in (files.add(made / "tiny.zip", "tiny.zip"), "hf:lab/tiny@v2"):
        command = re.escape(pull_command(parse_address(address)))
        with pytest.raises(BadInputError, match=f"was not pulled yet.*: {command}$"):
            spikeloop.generate(address, duration_s=1)
    assert files.requests == 0
    assert not hub.requests


def test_another_file_than_the_hash_says_is_refused_and_leaves_nothing(files, made, left_in):
    address = files.add(made / "tiny.zip", "tiny.zip")
    with pytest.raises(BadInputError, match=f"expected SHA-256 {'0' * 64}, found {hash_of(made / 'tiny.zip')}"):
        spikeloop.pull(address, "0" * 64)
    assert not left_in.files()


def test_a_file_with_the_right_hash_that_is_no_bundle_is_refused_by_its_address_and_leaves_nothing(files, left_in):
    files.files["/tiny.zip"] = b"PK and no more"
    address = f"{files.url}/tiny.zip"
    with pytest.raises(BadInputError, match=f"^{re.escape(address)}: not a readable bundle"):
        spikeloop.pull(address, sha256(files.files["/tiny.zip"]).hexdigest())
    assert not left_in.files()


def test_a_connection_that_breaks_off_is_a_failure_that_leaves_nothing_and_can_be_tried_again(files, made, left_in):
    address = files.add(made / "tiny.zip", "tiny.zip")
    files.broken_after = 0
    with pytest.raises(FailureError, match="could not fetch .*the connection broke off"):
        spikeloop.pull(address, hash_of(made / "tiny.zip"))
    assert not left_in.files()
    files.broken_after = None
    assert spikeloop.pull(address, hash_of(made / "tiny.zip")).is_file()


def test_redirects_are_followed_but_never_to_where_others_could_listen(files, made, left_in):
    files.add(made / "tiny.zip", "moved/tiny.zip")
    files.answers = {
        "/tiny.zip": "/again/tiny.zip",
        "/again/tiny.zip": f"{files.url}/moved/tiny.zip",
        "/open.zip": "http://example.org/tiny.zip",
        "/circle.zip": "/circle.zip",
    }
    assert spikeloop.pull(f"{files.url}/tiny.zip", hash_of(made / "tiny.zip")).is_file()
    with pytest.raises(BadInputError, match="expected an address that begins with https:, found 'http://example.org"):
        spikeloop.pull(f"{files.url}/open.zip", "1" * 64)
    with pytest.raises(FailureError, match="more than 10 redirects"):
        spikeloop.pull(f"{files.url}/circle.zip", "1" * 64)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://example.org/tiny.zip", "expected an address that begins with https:"),
        ("https:///tiny.zip", "expected an address such as https://HOST/PATH"),
        ("https://[1/tiny.zip", "expected an address such as https://HOST/PATH"),
        ("https://example.org/tiny.tar", "expected the address of a bundle in one .zip file"),
        ("https://example.org/..%2F.zip", "expected the address of a bundle in one .zip file"),
        ("hf:tiny", "expected hf:OWNER/NAME"),
        ("hf:lab/../x", "expected hf:OWNER/NAME"),
        ("hf:lab/x@../../y", "expected hf:OWNER/NAME"),
        ("ftp://example.org/tiny.zip", "expected the address of a bundle"),
        ("retina", "expected the address of a bundle"),
    ],
)
def test_what_is_no_address_of_a_bundle_is_refused(address, message):
    with pytest.raises(BadInputError, match=re.escape(message)):
        spikeloop.pull(address, "1" * 64)


def test_a_server_that_refuses_or_is_not_there_is_a_failure(files, made):
    with pytest.raises(FailureError, match="answered 404 .*Not Found"):
        spikeloop.pull(f"{files.url}/absent.zip", "1" * 64)
    with pytest.raises(FailureError, match=r"could not fetch .*no connection"):
        spikeloop.pull("http://127.0.0.1:9/absent.zip", "1" * 64)


def test_a_signature_beside_the_file_comes_along_and_one_that_is_required_must(files, made, left_in):
    public = made / "lab.key.pub"
    address = files.add(made / "signed.zip", "signed.zip")
    with pytest.raises(BadInputError, match=f"^{re.escape(address)}: expected a signature, found no signed.zip"):
        spikeloop.pull(address, hash_of(made / "signed.zip"), require_signature=public)
    assert not left_in.files()
    spikeloop.pull(address, hash_of(made / "signed.zip"))
    files.add(made / "signed.zip.minisig", "signed.zip.minisig")
    spikeloop.pull(address, hash_of(made / "signed.zip"), require_signature=public)
    assert spikeloop.load_bundle(address, require_signature=public)


def test_a_damaged_copy_in_the_cache_is_replaced(files, made):
    address = files.add(made / "tiny.zip", "tiny.zip")
    path = spikeloop.pull(address, hash_of(made / "tiny.zip"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInputError):
        spikeloop.load_bundle(address)
    spikeloop.pull(address, hash_of(made / "tiny.zip"))
    assert spikeloop.load_bundle(address)


def test_two_programs_that_pull_at_once_both_get_it_and_ctrl_c_leaves_nothing(files, made, start, left_in):
    address, expected = files.add(made / "tiny.zip", "tiny.zip"), hash_of(made / "tiny.zip")
    first, second, going = Event(), Event(), Event()

    def halfway() -> None:
        (second if first.is_set() else first).set()
        going.wait(60)

    files.halfway = halfway
    both = [start("pull", address, "--sha256", expected) for _ in range(2)]
    assert first.wait(60)
    assert second.wait(60)
    going.set()
    assert {process.communicate()[0] for process in both} != {""}
    assert {process.returncode for process in both} == {0}
    assert spikeloop.load_bundle(address)
    kept = left_in.files()
    assert len(kept) == 2  # the bundle, and its address
    files.add(made / "signed.zip", "other.zip")
    going.clear()
    second.clear()
    interrupted = start("pull", f"{files.url}/other.zip", "--sha256", hash_of(made / "signed.zip"))
    assert second.wait(60)
    interrupted.send_signal(signal.SIGINT)
    interrupted.communicate()
    going.set()
    assert interrupted.returncode == 130
    assert left_in.files() == kept
