"""Bundles go to the hub and come back as they were; what is not whole or not asked for is refused."""

import json
import re
import shutil

import pytest
import yaml

import spikeloop
from spikeloop.models.errors import BadInputError, FailureError
from tests.support.command_line import printed_by, run

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of the hub's client about itself


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
@pytest.mark.parametrize("redirected", [False, True])
def test_a_bundle_that_is_pushed_and_pulled_is_the_same_and_is_found_without_the_network(hub, made, name, redirected):
    hub.redirected = redirected
    spikeloop.push(made / name, "hf:lab/tiny")
    seen = []
    path = spikeloop.pull("hf:lab/tiny", progress=lambda *now: seen.append(now))
    assert contents(path) == contents(made / "tiny")
    assert seen
    assert all(0 < done <= total for done, total in seen)
    hub.repositories.clear()
    assert spikeloop.load_bundle("hf:lab/tiny").sha256 == spikeloop.load_bundle(made / name).sha256
    assert spikeloop.generate("hf:lab/tiny", duration_s=1, seed=0).counts.shape[-1] == 4


def test_a_revision_is_a_branch_or_a_commit_and_a_commit_that_is_in_the_cache_needs_no_network(hub, made):
    spikeloop.push(made / "tiny", "hf:lab/tiny")
    spikeloop.push("retina", "hf:lab/tiny@next")
    commit = hub.repositories["lab/tiny"].branches["next"]
    names = {
        revision: spikeloop.load_bundle(spikeloop.pull(f"hf:lab/tiny{revision}")).card.name
        for revision in ("", "@next", f"@{commit}")
    }
    assert names == {"": "tiny", "@next": "retina", f"@{commit}": "retina"}
    hub.repositories.clear()
    assert spikeloop.pull(f"hf:lab/tiny@{commit}").is_dir()
    with pytest.raises(BadInputError, match="no such repository for this user"):
        spikeloop.pull("hf:lab/tiny")
    assert spikeloop.load_bundle("hf:lab/tiny")  # as it was pulled last


def test_a_branch_that_moved_on_is_pulled_anew(hub, made):
    spikeloop.push(made / "tiny", "hf:lab/moving")
    before = spikeloop.pull("hf:lab/moving")
    spikeloop.push("retina", "hf:lab/moving")
    assert spikeloop.pull("hf:lab/moving") != before
    assert spikeloop.load_bundle("hf:lab/moving").card.name == "retina"


def test_only_what_the_card_lists_is_fetched(hub, made):
    hub.add("lab/tiny", contents(made / "tiny") | {"train.py": b"", "critic_effects.onnx": b"not listed"})
    assert contents(spikeloop.pull("hf:lab/tiny")) == contents(made / "tiny")
    fetched = {line.rsplit("/", 1)[1] for line in hub.requests if line.startswith("GET /lab/")}
    assert fetched == set(contents(made / "tiny"))


def damaged(files, how):
    """The files of a bundle with one fault."""
    if how == "altered":
        return files | {"generator.onnx": files["generator.onnx"][:-1] + b"!"}
    if how == "incomplete":
        return {name: content for name, content in files.items() if name != "generator.onnx"}
    card = json.loads(files["card.json"])
    if how == "reaches outside":
        return files | {"card.json": json.dumps(card | {"files": {"../x": "0" * 64}}).encode()}
    return {name: content for name, content in files.items() if name != "card.json"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("altered", "generator.onnx is corrupt or was altered"),
        ("incomplete", "is it a bundle, and whole"),
        ("reaches outside", "the card lists '../x', which is no part of a bundle; refused"),
        ("no card", "is it a bundle, and whole"),
    ],
)
def test_a_repository_that_holds_no_whole_bundle_is_refused_by_its_address_and_leaves_nothing(
    hub, made, left_in, how, message
):
    hub.add("lab/tiny", damaged(contents(made / "tiny"), how))
    with pytest.raises(BadInputError, match=f"^hf:lab/tiny: .*{re.escape(message)}"):
        spikeloop.pull("hf:lab/tiny")
    assert not left_in.files()


def test_another_bundle_than_the_hash_says_is_refused_also_from_the_cache(hub, made, left_in):
    hub.add("lab/tiny", contents(made / "tiny"))
    with pytest.raises(BadInputError, match=f"^hf:lab/tiny: expected a bundle of SHA-256 {'0' * 64}"):
        spikeloop.pull("hf:lab/tiny", "0" * 64)
    assert not left_in.files()
    spikeloop.pull("hf:lab/tiny", spikeloop.load_bundle(made / "tiny").sha256)
    with pytest.raises(BadInputError, match=f"^hf:lab/tiny: expected a bundle of SHA-256 {'0' * 64}"):
        spikeloop.pull("hf:lab/tiny", "0" * 64)


def test_a_connection_that_breaks_off_is_a_failure_that_leaves_nothing(hub, made, left_in, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's own attempts
    hub.add("lab/tiny", contents(made / "tiny"))
    hub.cut = "generator.onnx"
    with pytest.raises(FailureError, match="^hf:lab/tiny: the hub could not be reached, or broke off"):
        spikeloop.pull("hf:lab/tiny")
    assert not left_in.files()


def test_without_a_network_the_message_says_so(hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FailureError, match="^hf:lab/tiny: the hub could not be reached, or broke off"):
        spikeloop.pull("hf:lab/tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FailureError, match="HF_HUB_OFFLINE forbids the network"):
        spikeloop.pull("hf:lab/tiny")


def test_an_unknown_revision_and_a_repository_of_others_are_refused(hub, made, monkeypatch):
    spikeloop.push(made / "tiny", "hf:lab/private")
    with pytest.raises(BadInputError, match="^hf:lab/private@v9: expected a branch, tag or commit"):
        spikeloop.pull("hf:lab/private@v9")
    monkeypatch.delenv("HF_TOKEN")
    for act in (lambda: spikeloop.pull("hf:lab/private"), lambda: spikeloop.push(made / "tiny", "hf:lab/tiny")):
        with pytest.raises(BadInputError, match="log in with `hf auth login`, or set HF_TOKEN"):
            act()


def test_a_signature_travels_with_a_folder_and_is_required_before_a_bundle_enters_the_cache(hub, made, left_in):
    public = made / "lab.key.pub"
    spikeloop.push(made / "signed", "hf:lab/signed")
    spikeloop.push(made / "tiny", "hf:lab/tiny")
    spikeloop.pull("hf:lab/signed", require_signature=public)
    assert spikeloop.load_bundle("hf:lab/signed", require_signature=public)
    before = left_in.files()
    with pytest.raises(BadInputError, match="^hf:lab/tiny: expected a signature"):
        spikeloop.pull("hf:lab/tiny", require_signature=public)
    assert left_in.files() == before
    with pytest.raises(BadInputError, match="its signature is of the .zip"):
        spikeloop.push(made / "signed.zip", "hf:lab/signed")


def test_a_new_repository_is_private_unless_it_is_to_be_public_and_what_is_obsolete_goes(hub, made):
    spikeloop.push("retina", "hf:lab/closed")
    spikeloop.push("retina", "hf:lab/open", public=True)
    assert hub.repositories["lab/closed"].private
    assert not hub.repositories["lab/open"].private
    spikeloop.push(made / "tiny", "hf:lab/open")
    held = hub.repositories["lab/open"]
    assert set(held.commits[held.branches["main"]]) == {*contents(made / "tiny"), "README.md", ".gitattributes"}


def test_what_can_not_be_pushed_is_refused_before_anything_is_sent(hub, made):
    for bundle, address, licence in (
        ("absent", "hf:lab/tiny", ""),
        (made / "tiny", "https://example.org/tiny.zip", ""),
        (made / "tiny", f"hf:lab/tiny@{'0' * 40}", ""),
        (made / "tiny", "hf:lab/tiny", "no\nlicence: "),
    ):
        with pytest.raises(BadInputError):
            spikeloop.push(bundle, address, licence)
    assert not hub.requests


def test_the_commands_push_list_pull_and_use(hub, made, capsys, tmp_path):
    pushed = printed_by(capsys, "push", made / "tiny", "hf:lab/tiny", "--licence", "cc-by-4.0", "--public")
    assert pushed["commit"].startswith(hub.url)
    (offer,) = printed_by(capsys, "models", "--remote", "hf:lab")
    assert (offer["address"], offer["command"]) == ("hf:lab/tiny", "spikeloop pull hf:lab/tiny")
    pulled = printed_by(capsys, *offer["command"].split()[1:])
    assert pulled["sha256"] == spikeloop.load_bundle(made / "tiny").sha256
    listed = printed_by(capsys, "models", "hf:lab/tiny")
    assert listed[-1]["sha256"] == pulled["sha256"]
    run("export", "hf:lab/tiny", "--out", tmp_path / "own", "--name", "own")
    assert spikeloop.load_bundle(tmp_path / "own").card.name == "own"
    run("pull", "hf:lab/tiny")
    assert "try: spikeloop stream hf:lab/tiny" in capsys.readouterr().out


def test_what_was_pulled_is_neither_signed_nor_judged_anew_in_the_cache(hub, made, tmp_path):
    spikeloop.push(made / "tiny", "hf:lab/tiny")
    spikeloop.pull("hf:lab/tiny")
    with pytest.raises(BadInputError, match="expected a folder or .zip of your own to sign, found an address"):
        spikeloop.sign_bundle("hf:lab/tiny", made / "lab.key")
    from spikeloop.streamer.launch.evaluate import check_own_bundle

    with pytest.raises(BadInputError, match="--write-card: expected a bundle of your own"):
        check_own_bundle("hf:lab/tiny")


def test_an_index_lists_bundles_with_hashes_by_absolute_and_relative_addresses(files, made):
    files.add(made / "tiny.zip", "lab/tiny.zip")
    entries = [
        {"address": "tiny.zip", "sha256": "a" * 64, "description": "four units\x1b[2J"},
        {"address": "hf:lab/tiny"},
    ]
    files.files["/lab/index.json"] = json.dumps({"bundles": entries}).encode()
    first, second = spikeloop.remote_bundles(f"{files.url}/lab/index.json")
    assert first.command == f"spikeloop pull {files.url}/lab/tiny.zip --sha256 {'a' * 64}"
    assert first.description == "four units?[2J"
    assert second.command == "spikeloop pull hf:lab/tiny"


@pytest.mark.parametrize(
    "index",
    [b"", b"[]", b'{"bundles": 1}', b'{"bundles": [1]}', b'{"bundles": [{"address": 1}]}',
     b'{"bundles": [{"address": "http://example.org/x.zip"}]}', b'{"bundles": [{"address": "x.zip", "sha256": "0"}]}'],
)  # fmt: skip
def test_what_is_no_index_is_refused(files, index):
    files.files["/index.json"] = index
    with pytest.raises(BadInputError):
        spikeloop.remote_bundles(f"{files.url}/index.json")
    with pytest.raises(FailureError, match="404"):
        spikeloop.remote_bundles(f"{files.url}/absent.json")


def test_the_extra_that_is_missing_is_named(hub, monkeypatch):
    monkeypatch.setattr("spikeloop.models.packages.find_spec", lambda name: None)
    with pytest.raises(FailureError, match='pip install "huggingface[_-]hub>'):
        spikeloop.pull("hf:lab/tiny")


@pytest.mark.parametrize("name", spikeloop.bundles())
def test_the_model_card_says_what_the_bundle_is_and_how_to_stream_it(hub, name):
    spikeloop.push(name, "hf:lab/model", licence="cc-by-4.0")
    held = hub.repositories["lab/model"]
    text = held.commits[held.branches["main"]]["README.md"].decode()
    _, header, body = text.split("---\n", 2)
    stated = yaml.safe_load(header)
    bundle = spikeloop.load_bundle(name)
    assert stated["license"] == "cc-by-4.0"
    assert {"spikeloop", bundle.card.signal} <= set(stated["tags"])
    assert f"spikeloop pull hf:lab/model --sha256 {bundle.sha256}" in body
    assert f"| units | {len(bundle.card.unit_names)} |" in body
    assert all(channel.unit in body for channel in bundle.card.channels)
    assert body.count("| within sampling error |") + body.count("| off |") >= 1


def test_texts_of_a_card_are_shown_in_the_model_card_and_do_nothing(hub, made, tmp_path):
    hostile = "</code> <script>x</script> | [a](http://b) \n---\n# **c**"
    shutil.copytree(made / "tiny", tmp_path / "odd")
    card = json.loads((tmp_path / "odd" / "card.json").read_text())
    card |= {"training": {"recording": {"origin": hostile}, "settings": [], "trained_s": "long"}}
    (tmp_path / "odd" / "card.json").write_text(json.dumps(card))
    spikeloop.push(tmp_path / "odd", "hf:lab/odd")
    held = hub.repositories["lab/odd"]
    body = held.commits[held.branches["main"]]["README.md"].decode().split("---\n", 2)[2]
    assert "<script>" not in body
    assert "\n---\n" not in body
    assert "\\[a\\](http://b)" in body
    assert "No licence is stated" in body
