"""A signed bundle is loaded as it was signed, or not at all."""

import os
import shutil
import stat
import subprocess
import zipfile
from functools import cache

import minisign
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.renamed_bundles import rename_bundle
from spikeloop.exporters.signatures import REQUIRE_SIGNATURE, signed_file
from spikeloop.exporters.signing import new_signing_key, sign_bundle
from spikeloop.models.errors import BadInputError
from tests.support.tiny import tiny_bundle

NAMES = ("tiny", "tiny.zip")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "mine.key"
    new_signing_key(path)
    return path


@pytest.fixture(scope="module")
def public(key):
    return key.with_name("mine.key.pub")


@pytest.fixture(params=NAMES)
def bundle(request, tmp_path, key):
    path = tmp_path / request.param
    tiny_bundle(path, units=4)
    sign_bundle(path, key)
    return path


def files_of(bundle):
    """The files of a bundle that a signature covers."""
    if bundle.is_file():
        return [bundle]
    return sorted(file for file in bundle.iterdir() if file.suffix != ".minisig")


def test_a_signed_bundle_is_loaded_by_its_public_key_as_file_or_text_and_from_among_others(bundle, public, tmp_path):
    text = public.read_text().splitlines()[1]
    others = tmp_path / "trusted"
    other = new_signing_key(tmp_path / "other.key").read_text()
    others.write_text(f"# of our laboratory\n\n{other}{public.read_text()}")
    for keys in (public, str(public), text, others):
        assert load_bundle(bundle, require_signature=keys).sha256 == load_bundle(bundle).sha256


def test_a_public_key_does_not_sign(public, bundle):
    with pytest.raises(BadInputError, match="expected a secret key to sign with, found a public one"):
        sign_bundle(bundle, public)


def test_any_changed_byte_of_a_bundle_is_refused(public, key, tmp_path):
    folders = {}
    for name in NAMES:
        tiny_bundle(tmp_path / name, units=4)
        sign_bundle(tmp_path / name, key)
        folders[name] = tmp_path / name

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(
        name=some.sampled_from(NAMES), which=some.integers(0, 9), at=some.integers(0, 2**20), by=some.integers(1, 255)
    )
    def check(name, which, at, by):
        files = files_of(folders[name])
        file = files[which % len(files)]
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[at % len(whole)] ^= by
        file.write_bytes(changed)
        try:
            with pytest.raises(BadInputError):
                load_bundle(folders[name], require_signature=public)
        finally:
            file.write_bytes(whole)
        load_bundle(folders[name], require_signature=public)

    check()


@pytest.mark.parametrize("change", ["cut off", "longer", "empty", "of another"])
def test_other_bytes_of_a_bundle_are_refused(bundle, public, change, tmp_path):
    file = signed_file(bundle)
    other = tmp_path / f"other{bundle.suffix}"
    tiny_bundle(other, units=5)
    whole = file.read_bytes()
    contents = {
        "cut off": whole[:-1],
        "longer": whole + b"\n",
        "empty": b"",
        "of another": signed_file(other).read_bytes(),
    }
    file.write_bytes(contents[change])
    with pytest.raises(BadInputError, match="was changed since it was signed"):
        load_bundle(bundle, require_signature=public)


def test_a_file_that_joins_a_signed_folder_is_not_read(bundle, public):
    if bundle.is_dir():
        (bundle / "critic.onnx").write_bytes(b"\x0a\x08location, and more")
        assert load_bundle(bundle, require_signature=public).critic == b""


def test_a_bundle_without_a_signature_is_refused_and_so_is_one_that_was_exported_anew(bundle, public):
    before = load_bundle(bundle, require_signature=public)
    rename_bundle(before, bundle, name="renamed")
    with pytest.raises(BadInputError, match="expected a signature, found no|was changed since"):
        load_bundle(bundle, require_signature=public)
    signature = signed_file(bundle).with_name(f"{signed_file(bundle).name}.minisig")
    signature.unlink(missing_ok=True)
    with pytest.raises(BadInputError, match=f"expected a signature, found no {signature.name}"):
        load_bundle(bundle, require_signature=public)


def test_a_signature_of_another_key_is_refused_and_both_are_named(bundle, public, tmp_path):
    other = new_signing_key(tmp_path / "other.key")
    numbers = [path.read_text().split()[5] for path in (public, other)]
    with pytest.raises(BadInputError, match=r"expected a signature of the key \w{16}, found one of \w{16}") as refused:
        load_bundle(bundle, require_signature=other)
    for number in numbers:
        assert number in str(refused.value)


@given(at=some.integers(0, 400), by=some.integers(1, 255))
@settings(deadline=None, max_examples=60)
def test_a_damaged_signature_is_refused_or_says_the_same(at, by):
    bundle, public = _signed_once()
    signature = bundle.with_name(f"{bundle.name}.minisig")
    whole = signature.read_bytes()
    changed = bytearray(whole)
    changed[at % len(whole)] ^= by
    signature.write_bytes(changed)
    try:
        load_bundle(bundle, require_signature=public)
    except BadInputError:
        return
    finally:
        signature.write_bytes(whole)
    texts = (bytes(part).decode("utf-8", "replace").encode() for part in (whole, changed))
    before, after = map(minisign.Signature.from_bytes, texts)
    assert before == after  # but for the comment that minisign calls untrusted, and the end of the last line


@cache
def _signed_once():
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp())
    public = new_signing_key(folder / "a.key")
    tiny_bundle(folder / "a.zip", units=4)
    sign_bundle(folder / "a.zip", folder / "a.key")
    return folder / "a.zip", public


def test_the_environment_requires_a_signature_too_and_shipped_bundles_need_none(bundle, public, tmp_path, monkeypatch):
    tiny_bundle(tmp_path / "unsigned.zip", units=4)
    monkeypatch.setenv(REQUIRE_SIGNATURE, str(public))
    load_bundle(bundle)
    load_bundle("retina")
    with pytest.raises(BadInputError, match="expected a signature, found no unsigned"):
        load_bundle(tmp_path / "unsigned.zip")
    tiny_bundle(tmp_path / "written.zip", units=4)  # what is written is read back, though nobody can have signed it


def test_what_can_not_be_loaded_is_not_signed(key, tmp_path):
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("a", "b")
    for name in ("broken.zip", "empty.zip", "missing.zip", "retina"):
        with pytest.raises(BadInputError):
            sign_bundle(tmp_path / name if name != "retina" else name, key)
    assert not list(tmp_path.glob("*.minisig"))


def test_a_new_key_is_its_owners_alone_and_replaces_none(tmp_path):
    public = new_signing_key(tmp_path / "new.key")
    assert public == tmp_path / "new.key.pub"
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "new.key").stat().st_mode) == 0o600
    before = (tmp_path / "new.key").read_bytes()
    with pytest.raises(BadInputError, match="exists; keys are never replaced"):
        new_signing_key(tmp_path / "new.key")
    assert (tmp_path / "new.key").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="permissions are others on Windows")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_signs_nothing(key, tmp_path, mode):
    tiny_bundle(tmp_path / "tiny", units=4)
    shutil.copy(key, tmp_path / "open.key")
    (tmp_path / "open.key").chmod(mode)
    with pytest.raises(BadInputError, match=f"only its owner can read, found one with mode {mode:o}.*chmod 600"):
        sign_bundle(tmp_path / "tiny", tmp_path / "open.key")


@pytest.mark.parametrize(
    "content", [b"", b"a secret\n", b"untrusted comment: x\nRWQ=\n", b"\xff\xfe\0" * 40, b"x" * 2**17]
)
def test_files_that_hold_no_key_are_refused(content, tmp_path):
    tiny_bundle(tmp_path / "tiny", units=4)
    (tmp_path / "odd").write_bytes(content)
    (tmp_path / "odd").chmod(0o600)
    with pytest.raises(BadInputError, match="expected (a|the file of a) secret key"):
        sign_bundle(tmp_path / "tiny", tmp_path / "odd")
    with pytest.raises(BadInputError, match="expected .*public key"):
        load_bundle(tmp_path / "tiny", require_signature=tmp_path / "odd")
    with pytest.raises(BadInputError, match="found no file"):
        load_bundle(tmp_path / "tiny", require_signature=tmp_path / "nothing there")


def test_a_secret_key_is_no_public_one(key, tmp_path):
    tiny_bundle(tmp_path / "tiny", units=4)
    with pytest.raises(BadInputError, match="is it a secret key"):
        load_bundle(tmp_path / "tiny", require_signature=key)


def test_a_key_with_a_password_signs_with_it_alone(tmp_path):
    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt("right", opslimit=2**15, memlimit=2**20)  # as weak as it may be, to be quick
    (tmp_path / "locked.key").write_bytes(bytes(pair.secret_key))
    (tmp_path / "locked.key").chmod(0o600)
    tiny_bundle(tmp_path / "tiny", units=4)
    with pytest.raises(BadInputError, match="expected a password"):
        sign_bundle(tmp_path / "tiny", tmp_path / "locked.key")
    with pytest.raises(BadInputError, match="wrong password"):
        sign_bundle(tmp_path / "tiny", tmp_path / "locked.key", "wrong")
    sign_bundle(tmp_path / "tiny", tmp_path / "locked.key", "right")
    load_bundle(tmp_path / "tiny", require_signature=pair.public_key.to_base64().decode())


@pytest.mark.parametrize("name", NAMES)
def test_a_signature_of_another_key_is_never_replaced(key, public, tmp_path, name):
    tiny_bundle(tmp_path / name, units=4)
    signature = sign_bundle(tmp_path / name, key)
    new_signing_key(tmp_path / "other.key")
    with pytest.raises(BadInputError, match="expected no signature, or one of the key [0-9A-F]{16}, found one of"):
        sign_bundle(tmp_path / name, tmp_path / "other.key")
    load_bundle(tmp_path / name, require_signature=public)
    assert sign_bundle(tmp_path / name, key, time_s=0) == signature
    signature.unlink()
    sign_bundle(tmp_path / name, tmp_path / "other.key")


needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")


@needs_minisign
def test_minisign_itself_verifies_our_signatures(bundle, public):
    verify = ["minisign", "-V", "-p", str(public), "-m", str(signed_file(bundle))]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert f"file:{signed_file(bundle).name}" in verified.stdout
    signed_file(bundle).write_bytes(signed_file(bundle).read_bytes() + b"\n")
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


@needs_minisign
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_signatures_and_keys_of_minisign_itself_are_accepted(tmp_path, name, legacy):
    tiny_bundle(tmp_path / name, units=4)
    secret, public = tmp_path / "of minisign.key", tmp_path / "of minisign.pub"
    made = subprocess.run(
        ["minisign", "-G", "-W", "-p", str(public), "-s", str(secret)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    signed = signed_file(tmp_path / name)
    sign = ["minisign", "-S", *(["-l"] if legacy else []), "-s", str(secret), "-m", str(signed)]
    done = subprocess.run(sign, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    load_bundle(tmp_path / name, require_signature=public)
    secret.chmod(0o600)
    sign_bundle(tmp_path / name, secret)
    load_bundle(tmp_path / name, require_signature=public)
