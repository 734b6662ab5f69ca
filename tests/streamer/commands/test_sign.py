import pytest

from spikeloop.exporters.signing import PASSWORD
from tests.support.command_line import fails, printed_by, run


@pytest.fixture(autouse=True)
def no_password(monkeypatch):
    monkeypatch.setenv(PASSWORD, "")


def test_keys_are_made_a_bundle_is_signed_and_loaded_by_who_trusts_the_key(bundle_path, tmp_path, capsys):
    made = printed_by(capsys, "sign", "--new-key", tmp_path / "lab.key")
    assert made == {"key": str(tmp_path / "lab.key"), "public_key": str(tmp_path / "lab.key.pub")}
    code, said = fails(capsys, "models", bundle_path, "--require-signature", made["public_key"])
    assert code == 2
    assert "expected a signature, found no " in said
    signed = printed_by(capsys, "sign", bundle_path, "--key", made["key"])
    assert signed["signature"].endswith(".minisig")
    listed = printed_by(capsys, "models", bundle_path, "--require-signature", made["public_key"])
    assert len(listed) > 1


def test_people_read_what_to_keep_and_what_to_give_away(tmp_path, capsys):
    run("sign", "--new-key", tmp_path / "lab.key")
    printed = capsys.readouterr().out
    assert "lab.key: keep it secret" in printed
    assert "lab.key.pub: give it to all who are to trust your bundles" in printed


@pytest.mark.parametrize(
    "words", [[], ["tiny"], ["--key", "a"], ["tiny", "--new-key", "a"], ["--key", "a", "--new-key", "b"]]
)
def test_options_that_do_not_belong_together_are_refused(words, capsys):
    code, said = fails(capsys, "sign", *words)
    assert code == 2
    assert "expected a bundle with --key FILE, or --new-key FILE alone" in said


def test_a_key_that_is_none_is_refused_before_anything_else(capsys):
    code, said = fails(capsys, "generate", "retina", "--require-signature", "no key")
    assert code == 2
    assert "--require-signature (require_signature): expected a public key" in said or "found no file" in said
