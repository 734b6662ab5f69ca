import json
import math
import os
import zipfile
from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np
import onnx
import pytest
from onnx import external_data_helper

from spikeloop.exporters import bundle_files
from spikeloop.exporters.bundle import load_bundle, write_bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.registry import BASELINES
from spikeloop.models.recordings.condition import Condition, phase_condition
from tests.support.shown import shown
from tests.support.tiny import (
    tiny_bundle,
    tiny_card,
    tiny_first_state,
    tiny_generator,
    tiny_stream_bundle,
    tiny_stream_card,
    tiny_stream_generator,
)
from tests.support.tiny_baseline import tiny_baseline, tiny_baseline_card, tiny_model


@pytest.fixture
def folder(tmp_path):
    tiny_bundle(tmp_path / "tiny", units=4)
    return tmp_path / "tiny"


@pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
def test_a_bundle_round_trips_as_folder_and_as_zip(tmp_path, name):
    reference = {"rates": np.arange(4.0), "covariance": np.eye(4)}
    written = write_bundle(tmp_path / name, tiny_card(4), tiny_generator(4), b"critic", reference)
    read = load_bundle(tmp_path / name)
    assert read.card == written.card
    assert (read.generator, read.critic, read.sha256) == (tiny_generator(4), b"critic", written.sha256)
    assert read.reference.keys() == reference.keys()
    np.testing.assert_array_equal(read.reference["covariance"], np.eye(4))


def test_folder_and_zip_of_one_model_have_one_identity(tmp_path, folder):
    card = load_bundle(folder)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    assert load_bundle(tmp_path / "packed.zip").sha256 == card.sha256


def test_a_bundle_is_replaced_whole(tmp_path, folder):
    tiny_bundle(folder, units=5)
    assert len(load_bundle(folder).card.unit_names) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_something_else_is_not_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInputError, match="exists and is no bundle"):
        tiny_bundle(tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"


def test_what_lies_beside_a_bundle_is_not_lost(tmp_path, folder):
    (folder / "notes.txt").write_text("years of work")
    with zipfile.ZipFile(tmp_path / "backup.zip", "w") as archive:
        archive.writestr("thesis.txt", "years of work")
    for path in (folder, tmp_path / "backup.zip"):
        with pytest.raises(BadInputError, match="is no bundle, or not only one"):
            tiny_bundle(path)
    assert (folder / "notes.txt").read_text() == "years of work"
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert archive.namelist() == ["thesis.txt"]


@pytest.mark.parametrize("name", ["old", "fresh", "replaced", "odd.zip"])
def test_a_bundle_of_any_name_is_replaced(tmp_path, name):
    for units in (4, 5):
        tiny_bundle(tmp_path / name, units=units)
    assert len(load_bundle(tmp_path / name).card.unit_names) == 5


def test_a_replacement_that_fails_leaves_the_old_bundle(folder, monkeypatch):
    real = os.replace

    def fails_for_the_new_one(source, target):
        if "fresh" in str(source):
            raise OSError("no space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", fails_for_the_new_one)
    with pytest.raises(FailureError, match="no space left"):
        tiny_bundle(folder, units=5)
    monkeypatch.undo()
    assert len(load_bundle(folder).card.unit_names) == 4
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_a_card_that_could_not_be_read_back_is_not_written(tmp_path):
    tiny_bundle(tmp_path / "good", units=4)
    for name in ("good", "new.zip"):
        with pytest.raises(BadInputError, match="can't stream"):
            write_bundle(tmp_path / name, replace(tiny_card(4), name="a\x1b[31m"), tiny_generator(4), b"", {})
    assert load_bundle(tmp_path / "good").card.name == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


def test_where_nothing_can_be_written_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FailureError, match="could not write"):
        tiny_bundle(tmp_path / "file" / "tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_bundle_is_told_what_there_is(tmp_path):
    with pytest.raises(BadInputError, match="no bundle named or at 'retna'; shipped ones are .*retina"):
        load_bundle("retna")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match=r"no card\.json"):
        load_bundle(tmp_path / "empty")


@pytest.mark.parametrize("name", ["generator.onnx", "reference.npz"])
def test_a_tampered_file_is_named(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BadInputError, match=f"{name} is corrupt or was altered"):
        load_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BadInputError, match=f"{name} is missing"):
        load_bundle(folder)


def rewrite(folder, **entries):
    card = json.loads((folder / "card.json").read_text()) | entries
    (folder / "card.json").write_text(json.dumps({key: value for key, value in card.items() if value is not ...}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format_version": 2}, "expected bundle format 1, found 2"),
        ({"format_version": ...}, "expected bundle format 1, found None"),
        ({"unit_names": ...}, "lacks unit_names"),
        ({"unit_names": "four"}, "unit_names = 'four', expected tuple"),
        ({"unit_names": [1, 2]}, "expected tuple"),
        ({"unit_names": []}, "can't stream"),
        ({"bin_size_s": "0.02"}, "expected float"),
        ({"bin_size_s": 0}, "can't stream"),
        ({"bin_size_s": float("nan")}, "can't stream"),
        ({"bin_size_s": 1e-300}, "can't stream"),
        ({"bin_size_s": 10**400}, "expected float"),
        ({"name": "\x1b]0;owned\x07"}, "can't stream"),
        ({"name": "n" * 1000}, "can't stream"),
        ({"unit_names": ["a", "b\n", "c", "d"]}, "can't stream"),
        ({"window_bins": True}, "expected int"),
        ({"window_bins": 0}, "can't stream"),
        ({"window_bins": 10**9}, "can't stream"),
        ({"kind": "oracle"}, "can't stream"),
        ({"family": "\x1b[2J"}, "can't stream"),
        ({"latency_bins": -5}, "can't stream"),
        ({"state_tensors": ["x"]}, "can't stream"),
        ({"conditions": [{}]}, "can't stream"),
        ({"count_distribution": "cauchy"}, "can't stream"),
        ({"uniform_size": 4}, "uniform_size = 4, which"),
        ({"normal_size": 1}, "normal_size = 1, which"),
        ({"latency_bins": 1}, "latency_bins = 1, which"),
        ({"conditions": [asdict(Condition("x", "", 0, 1))]}, "conditions = .*can't stream"),
        ({"count_distribution": "counts"}, "count_distribution = 'counts', which"),
        ({"files": {}}, r"does not list generator\.onnx"),
        ({"files": {"../../etc/passwd": "0"}}, "no part of a bundle|is missing"),
        ({"files": {"generator.onnx": 5}}, "corrupt|can't stream"),
    ],
)
def test_a_card_that_makes_no_sense_is_told(folder, entries, message):
    rewrite(folder, **entries)
    with pytest.raises(BadInputError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_card_that_is_no_card_is_told(folder, content):
    (folder / "card.json").write_bytes(content)
    with pytest.raises(BadInputError, match="JSON|bundle format"):
        load_bundle(folder)


def test_a_link_out_of_the_bundle_is_refused(tmp_path, folder):
    (tmp_path / "secret").write_bytes((folder / "reference.npz").read_bytes())
    (folder / "reference.npz").unlink()
    os.symlink(tmp_path / "secret", folder / "reference.npz")
    with pytest.raises(BadInputError, match="points outside the bundle"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BadInputError, match="points outside the bundle"):
        load_bundle(tmp_path / "evil.zip")


def test_a_zip_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_files, "LARGEST_CARD", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", b" " * 100_000)
    with pytest.raises(BadInputError, match="expected at most 1000; refused"):
        load_bundle(tmp_path / "bomb.zip")


def test_a_zip_that_unpacks_to_far_more_than_it_is_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    tiny_bundle(tmp_path / "bomb.zip", units=4)
    zeros, names = bytes(2**26), ("generator.onnx", "critic.onnx", "reference.npz")
    with zipfile.ZipFile(tmp_path / "bomb.zip") as archive:
        card = json.loads(archive.read("card.json"))
    card["files"] = dict.fromkeys(names, sha256(zeros).hexdigest())
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(card))
        for name in names:
            archive.writestr(name, zeros)
    opened = []
    monkeypatch.setattr(
        bundle_files._Zip,
        "segments",
        lambda bundle, name, real=bundle_files._Zip.segments: opened.append(name) or real(bundle, name),
    )
    with pytest.raises(
        BadInputError, match="unpacks to 192 MiB, expected at most .* MiB of a file of its size; refused"
    ):
        load_bundle(tmp_path / "bomb.zip")
    assert opened == ["card.json"]


def test_what_the_card_does_not_list_is_not_unpacked(tmp_path):
    tiny_bundle(tmp_path / "tiny.zip", units=4)
    with zipfile.ZipFile(tmp_path / "tiny.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("critic.onnx", bytes(2**27))
    assert load_bundle(tmp_path / "tiny.zip").critic == b""


def test_a_hash_that_would_steer_the_terminal_is_printed_as_text(folder):
    rewrite(folder, files=read_files(folder) | {"generator.onnx": "\x1b[2J\x1b[31m gone"})
    with pytest.raises(BadInputError) as refused:
        load_bundle(folder)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_zip_that_was_cut_off_is_told(tmp_path, keep):
    tiny_bundle(tmp_path / "tiny.zip", units=4)
    content = (tmp_path / "tiny.zip").read_bytes()
    (tmp_path / "tiny.zip").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInputError, match="is it complete"):
        load_bundle(tmp_path / "tiny.zip")


def test_a_pickle_is_never_loaded(tmp_path):
    generator = tiny_generator(4)
    np.savez(tmp_path / "evil.npz", rates=np.array([print], dtype=object), allow_pickle=True)
    write_bundle(tmp_path / "tiny", tiny_card(4), generator, b"", {"rates": np.zeros(4)})
    content = (tmp_path / "evil.npz").read_bytes()
    (tmp_path / "tiny" / "reference.npz").write_bytes(content)
    files = read_files(tmp_path / "tiny") | {"reference.npz": sha256(content).hexdigest()}
    rewrite(tmp_path / "tiny", files=files)
    with pytest.raises(BadInputError, match=r"reference\.npz can't be read"):
        load_bundle(tmp_path / "tiny")


def read_files(folder):
    return json.loads((folder / "card.json").read_text())["files"]


def test_statistics_that_would_fill_the_memory_or_are_no_numbers_are_refused(tmp_path, monkeypatch):
    write_bundle(tmp_path / "huge", tiny_card(4), tiny_generator(4), b"", {"rates": np.zeros(2**20)})
    monkeypatch.setattr(bundle_files, "SMALL", 2**20)
    with pytest.raises(BadInputError, match=r"reference\.npz, unpacked, is \d+ bytes"):
        load_bundle(tmp_path / "huge")
    text = {"rates": np.array(["a"])}
    with pytest.raises(BadInputError, match="other than numbers"):
        write_bundle(tmp_path / "text", tiny_card(4), tiny_generator(4), b"", text)  # type: ignore[arg-type]


def test_what_is_neither_file_nor_folder_is_told(tmp_path):
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    os.symlink(tmp_path / "absent", tmp_path / "dangling")
    os.mkfifo(tmp_path / "pipe")
    for path in ("loop", "dangling", "pipe", "n" * 300, os.devnull):
        with pytest.raises(BadInputError, match="no bundle named or at"):
            load_bundle(tmp_path / path)
    for path in (None, 3, b"retina", "", "zero\0", ["retina"]):
        with pytest.raises(BadInputError, match="bundle: expected .*path"):
            load_bundle(path)  # pyright: ignore[reportArgumentType]
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd" / "card.json")
    with pytest.raises(BadInputError, match=r"card\.json is no file"):
        load_bundle(tmp_path / "odd")


def test_weights_in_another_file_are_refused(tmp_path):
    model = onnx.load_from_string(tiny_generator(4))
    external_data_helper.convert_model_to_external_data(model, location="../../weights", size_threshold=0)
    with pytest.raises(BadInputError, match=r"generator\.onnx keeps its weights in another file"):
        tiny_bundle(tmp_path / "tiny", units=4, generator=model.SerializeToString())


def test_a_newer_cards_further_entries_do_no_harm(folder):
    rewrite(folder, from_the_future=1)
    assert load_bundle(folder).card == tiny_bundle(folder.parent / "same", units=4).card


@pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
@pytest.mark.parametrize("family", BASELINES)
def test_a_baseline_round_trips_as_folder_and_as_zip(tmp_path, family, name):
    written = tiny_baseline(tmp_path / name, family)
    read = load_bundle(tmp_path / name)
    assert (read.card, read.sha256, read.generator, read.critic) == (written.card, written.sha256, b"", b"")
    model = tiny_model(family)
    assert read.parameters.keys() == model.arrays().keys()
    for key, value in model.arrays().items():
        np.testing.assert_array_equal(read.parameters[key], value)
        assert read.parameters[key].dtype == value.dtype
    assert set(read.card.files) == {"parameters.npz", "reference.npz"}


def test_a_baseline_and_a_generator_replace_each_other_whole(tmp_path):
    tiny_bundle(tmp_path / "tiny", units=4)
    tiny_baseline(tmp_path / "tiny", "k_pairwise")
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"card.json", "parameters.npz", "reference.npz"}
    assert not tiny_bundle(tmp_path / "tiny", units=4).parameters


def test_a_baseline_without_its_parameters_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"the card does not list parameters\.npz"):
        write_bundle(tmp_path / "none", tiny_baseline_card("k_pairwise"), b"", b"", {"rates": np.zeros(4)})
    tiny_baseline(tmp_path / "tiny", "k_pairwise")
    (tmp_path / "tiny" / "parameters.npz").unlink()
    with pytest.raises(BadInputError, match=r"parameters\.npz is missing"):
        load_bundle(tmp_path / "tiny")
    files = {name: digest for name, digest in read_files(tmp_path / "tiny").items() if name != "parameters.npz"}
    rewrite(tmp_path / "tiny", files=files)
    with pytest.raises(BadInputError, match=r"the card does not list parameters\.npz"):
        load_bundle(tmp_path / "tiny")


def put_parameters(folder, content):
    """Other parameters, with a card that vouches for them."""
    (folder / "parameters.npz").write_bytes(content)
    rewrite(folder, files=read_files(folder) | {"parameters.npz": sha256(content).hexdigest()})


def test_corrupt_parameters_are_refused(tmp_path):
    folder = tmp_path / "tiny"
    tiny_baseline(folder, "dichotomized_gaussian")
    whole = (folder / "parameters.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (folder / "parameters.npz").write_bytes(flipped)
    with pytest.raises(BadInputError, match=r"parameters\.npz is corrupt or was altered"):
        load_bundle(folder)
    for content in (b"", b"not a zip", whole[: len(whole) // 2]):
        put_parameters(folder, content)
        with pytest.raises(BadInputError, match=r"parameters\.npz can't be read"):
            load_bundle(folder)


def test_parameters_that_are_pickles_or_no_numbers_are_refused(tmp_path):
    folder = tmp_path / "tiny"
    tiny_baseline(folder, "k_pairwise")
    np.savez(tmp_path / "pickle.npz", fields=np.array([print], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "text.npz", fields=np.array(["a"]))
    for name, message in (("pickle.npz", "can't be read"), ("text.npz", "other than numbers")):
        put_parameters(folder, (tmp_path / name).read_bytes())
        with pytest.raises(BadInputError, match=rf"parameters\.npz .*{message}"):
            load_bundle(folder)


@pytest.mark.parametrize(
    ("entries", "message"), [({"kind": "window"}, "kind = 'window'"), ({"latent_size": 7}, "latent_size = 7")]
)
def test_a_baselines_card_that_makes_no_sense_is_told(tmp_path, entries, message):
    tiny_baseline(tmp_path / "tiny", "k_pairwise")
    rewrite(tmp_path / "tiny", **entries)
    with pytest.raises(BadInputError, match=message):
        load_bundle(tmp_path / "tiny")


CHANNELS = (Condition("x", "cm/s", -1.0, 1.0), Condition("y", "cm/s", -1.0, 1.0, rest=0.5))
X = asdict(CHANNELS[0])


@pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
@pytest.mark.parametrize("channels", [(), CHANNELS, (phase_condition(100),)])
def test_a_causal_generator_round_trips_as_folder_and_as_zip(tmp_path, name, channels):
    written = tiny_stream_bundle(tmp_path / name, channels=channels, distribution="counts", slow=2)
    read = load_bundle(tmp_path / name)
    assert (read.card, read.sha256, read.generator) == (written.card, written.sha256, written.generator)
    assert read.card.channels == channels
    first = tiny_first_state(4, 2)
    assert read.parameters.keys() == first.keys() == set(read.card.state_tensors)
    for key, value in first.items():
        np.testing.assert_array_equal(read.parameters[key], value)
    assert set(read.card.files) == {"generator.onnx", "parameters.npz", "reference.npz"}


@pytest.mark.parametrize(
    ("distribution", "signal"), [("bernoulli", "spikes"), ("counts", "spikes"), ("fluorescence", "fluorescence")]
)
def test_a_card_tells_the_signal(distribution, signal):
    assert tiny_stream_card(distribution=distribution).signal == signal


@pytest.mark.parametrize(
    "entries",
    [
        {"latency_bins": 0},
        {"latency_bins": 2**16},
        {"normal_size": 0},
        {"normal_size": 2**20},
        {"uniform_size": 1},
        {"count_distribution": "counts"},
        {"count_distribution": "fluorescence"},
        {"conditions": [X | {"unit": ""}]},
        {"conditions": [X | {"from_the_future": 1}]},
        {"conditions": [X | {"low": 3, "high": 3, "rest": 3}]},
        {"conditions": [asdict(phase_condition(1))]},
    ],
)
def test_a_causal_generators_card_may_say_so(tmp_path, entries):
    tiny_stream_bundle(tmp_path / "tiny", channels=CHANNELS)
    rewrite(tmp_path / "tiny", **entries)
    card = load_bundle(tmp_path / "tiny").card
    for name in entries.keys() - {"conditions"}:
        assert getattr(card, name) == entries[name]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"latent_size": 1}, "latent_size = 1, which"),
        ({"uniform_size": 0}, "uniform_size = 0, which"),
        ({"uniform_size": ...}, "uniform_size = 0, which"),
        ({"uniform_size": -1}, "uniform_size = -1, which"),
        ({"uniform_size": 4.0}, "uniform_size = 4.0, expected int"),
        ({"normal_size": -1}, "normal_size = -1, which"),
        ({"normal_size": 2**20 + 1}, "normal_size = 1048577, which"),
        ({"normal_size": True}, "normal_size = True, expected int"),
        ({"latency_bins": -1}, "latency_bins = -1, which"),
        ({"latency_bins": 2**16 + 1}, "latency_bins = 65537, which"),
        ({"latency_bins": 1, "conditions": []}, "latency_bins = 1, which"),
        ({"count_distribution": "cauchy"}, "count_distribution = 'cauchy', which"),
        ({"state_tensors": []}, r"state_tensors = \(\), which"),
        ({"state_tensors": ["hidden", "hidden"]}, "state_tensors = .*which"),
        ({"state_tensors": [1]}, "expected tuple"),
        ({"state_tensors": "hidden"}, "state_tensors = 'hidden', expected tuple"),
        ({"conditions": ["x"]}, "conditions = .*expected tuple"),
        ({"conditions": X}, "conditions = .*expected tuple"),
        ({"conditions": [{}]}, "expected a condition's name, unit, low, high and rest, found {}"),
        ({"conditions": [{"name": "x"}]}, "expected a condition's name"),
        ({"conditions": [X | {"name": ""}]}, "expected a condition's name"),
        ({"conditions": [X | {"name": "a\x1b[2J"}]}, "expected a condition's name"),
        ({"conditions": [X | {"name": "n" * 65}]}, "expected a condition's name"),
        ({"conditions": [X | {"name": 5}]}, "expected a condition's name"),
        ({"conditions": [X | {"unit": "cm\n"}]}, "expected a condition's name"),
        ({"conditions": [X | {"low": "0"}]}, "expected a condition's name"),
        ({"conditions": [X | {"low": 2}]}, "expected a condition's name"),
        ({"conditions": [X | {"high": math.inf}]}, "expected a condition's name"),
        ({"conditions": [X | {"rest": 1.5}]}, "expected a condition's name"),
        ({"conditions": [X | {"rest": math.nan}]}, "expected a condition's name"),
        ({"conditions": [X | {"cyclic": 1}]}, "expected a condition's name"),
        ({"conditions": [X | {"cyclic": True, "high": 2**24 + 1}]}, "expected a condition's name"),
        ({"kind": "window"}, "window.*which|latent_size = 0, which"),
    ],
)
def test_a_causal_generators_card_that_makes_no_sense_is_told(tmp_path, entries, message):
    tiny_stream_bundle(tmp_path / "tiny", channels=CHANNELS)
    rewrite(tmp_path / "tiny", **entries)
    with pytest.raises(BadInputError, match=message):
        load_bundle(tmp_path / "tiny")


@pytest.mark.parametrize("entries", [{"conditions": (X,)}, {"uniform_size": 4}, {"state_tensors": ("x",)}])
def test_a_baseline_takes_no_conditions_numbers_or_state(tmp_path, entries):
    card = replace(tiny_baseline_card("k_pairwise"), **entries)
    with pytest.raises(BadInputError, match="can't stream"):
        write_bundle(tmp_path / "tiny", card, b"", b"", {}, tiny_model("k_pairwise").arrays())


def test_a_causal_generator_without_its_first_state_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"the card does not list parameters\.npz"):
        write_bundle(tmp_path / "none", tiny_stream_card(), tiny_stream_generator(), b"", {"rates": np.zeros(4)})
    with pytest.raises(BadInputError, match=r"the card does not list generator\.onnx"):
        write_bundle(tmp_path / "none", tiny_stream_card(), b"", b"", {"rates": np.zeros(4)}, tiny_first_state())


def test_a_bundle_describes_itself_in_json_and_html(folder):
    bundle = load_bundle(folder)
    described = json.loads(json.dumps(bundle.to_dict()))
    assert (described["name"], described["sha256"]) == ("tiny", bundle.sha256)
    assert described["files"] == bundle.card.files
    assert bundle.sha256 in bundle._repr_html_()
    assert bundle.sha256 in shown(bundle)
