import io
import json
import pickle
import re
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.decoder_files.content import LARGEST_FILE
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.torch_file import open_torch

UNITS = 3
COUNTS = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)


class Last(nn.Module):
    """The first two counts of the latest bin."""

    def forward(self, counts):
        return 2 * counts[..., :2]


class Sum(nn.Module):
    """Those of all bins of a window (batch, bins, units)."""

    def forward(self, counts):
        return counts[..., :2].sum(1)


class Carried(nn.Module):
    """Those of all bins so far, handed on from outside."""

    def forward(self, counts, total):
        total = total + counts[..., :2]
        return 2 * total, total


class Kept(nn.Module):
    """Those of all bins so far, kept inside."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(1, 2))

    def forward(self, counts):
        self.total += counts[..., :2]
        return self.total.clone()


def scripted(path: Path, module: nn.Module) -> Path:
    torch.jit.save(torch.jit.script(module.eval()), path)
    return path


def exported(path: Path, module: nn.Module, *example: torch.Tensor) -> Path:
    torch.export.save(torch.export.export(module.eval(), example), path)
    return path


def steps(path: Path, **options) -> list[list[float]]:
    """What is decoded of three bins, twice, with a fit between."""
    decoder = open_torch(path, UNITS, FileOptions(**options))
    first = [decoder.step(counts).tolist() for counts in COUNTS]
    decoder.fit(COUNTS, np.zeros((3, 2)))
    assert [decoder.step(counts).tolist() for counts in COUNTS] == first
    return first


def test_torchscript_of_one_bin_or_of_a_stated_history_decodes(tmp_path):
    assert steps(scripted(tmp_path / "last.pt", Last())) == [[2, 4], [8, 10], [14, 16]]
    assert steps(scripted(tmp_path / "sum.pt", Sum()), history=2) == [[1, 2], [5, 7], [11, 13]]


def test_torchscript_that_keeps_a_state_begins_anew_at_a_fit(tmp_path):
    assert steps(scripted(tmp_path / "kept.ts", Kept())) == [[1, 2], [5, 7], [12, 15]]


def test_torchscript_that_looks_back_asks_how_far(tmp_path):
    with pytest.raises(BadInputError, match=r"depends on bins before .*say so with \?history=BINS"):
        open_torch(scripted(tmp_path / "sum.pt", Sum()), UNITS)


def test_torchscript_with_states_or_of_other_units_is_told(tmp_path):
    with pytest.raises(BadInputError, match=r"found also total; export it with torch.onnx.export or torch.export.save"):
        open_torch(scripted(tmp_path / "carried.pt", Carried()), UNITS)
    with pytest.raises(BadInputError, match=r"a module that takes counts of 3 units, found one that takes none of"):
        open_torch(scripted(tmp_path / "linear.pt", nn.Linear(5, 2)), UNITS)


def test_an_exported_program_says_its_shapes(tmp_path):
    assert steps(exported(tmp_path / "last.pt2", Last(), torch.zeros(1, 3))) == [[2, 4], [8, 10], [14, 16]]
    assert steps(exported(tmp_path / "sum.pt2", Sum(), torch.zeros(1, 2, 3))) == [[1, 2], [5, 7], [11, 13]]
    carried = exported(tmp_path / "carried.pt2", Carried(), torch.zeros(1, 3), torch.zeros(1, 2))
    assert steps(carried, output="mul") == [[2, 4], [10, 14], [24, 30]]
    with pytest.raises(BadInputError, match=r"found mul .*, add .*; choose with \?output=mul"):
        open_torch(carried, UNITS)
    assert steps(exported(tmp_path / "kept.pt2", Kept(), torch.zeros(1, 3))) == [[1, 2], [5, 7], [12, 15]]


def test_an_exported_program_of_double_precision_is_told_apart_by_its_content(tmp_path):
    path = exported(tmp_path / "double.pt", Last(), torch.zeros(1, 3, dtype=torch.float64))
    assert steps(path) == [[2, 4], [8, 10], [14, 16]]


def test_what_torch_save_wrote_is_refused_and_never_unpickled(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "weights.pt")
    torch.save(Last(), tmp_path / "module.pt")
    for name in ("weights.pt", "module.pt"):
        with pytest.raises(BadInputError, match=r"found weights without a program, .*torch.onnx.export"):
            open_torch(tmp_path / name, UNITS)
    (tmp_path / "noise.pt").write_bytes(b"not a program")
    with pytest.raises(BadInputError, match="expected a program of PyTorch, found none"):
        open_torch(tmp_path / "noise.pt", UNITS)


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


def changed(path: Path, change) -> Path:
    """The archive with each entry as a function of name and content gives it."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_an_exported_program_that_hides_a_pickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = io.BytesIO()
    torch.save(Trap(), saved)

    def examples(name, content):
        return saved.getvalue() if name.endswith(".pt") else content

    def weights(name, content):
        if not name.endswith("weights_config.json"):
            return content
        config = json.loads(content)
        for payload in config["config"].values():
            payload["use_pickle"] = True
        return json.dumps(config)

    for change in (examples, weights):
        path = changed(exported(tmp_path / "net.pt2", nn.Linear(3, 2), torch.zeros(1, 3)), change)
        with pytest.raises(BadInputError, match="weights as plain numbers, found .*which would run what it says"):
            open_torch(path, UNITS)
    assert not Path("sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert Path("sprung").exists()  # it was a trap


def test_a_damaged_program_is_told(tmp_path):
    path = changed(scripted(tmp_path / "last.pt", Last()), lambda name, content: content if "code" in name else b"")
    with pytest.raises(BadInputError, match="found one that it can't"):
        open_torch(path, UNITS)


class Steady(nn.Module):
    """A sum over (batch, units) whose sizes follow the batch's."""

    def forward(self, counts):
        return counts[:, :2].reshape(2 * counts.shape[0], -1).reshape(counts.shape[0], 2)


def of_free_batch(path: Path) -> Path:
    sizes = {"counts": {0: torch.export.Dim("batch", min=1, max=64)}}
    torch.export.save(torch.export.export(Steady(), (torch.zeros(4, 3),), dynamic_shapes=sizes), path)
    return path


SPRINGS = "__import__('pathlib').Path('sprung').touch()"


def with_formulas(formula: str):
    def change(name, content):
        text = content.decode() if name.endswith("model.json") else None
        return (
            content if text is None else re.sub(r'("expr_str": )"[^"]*"', lambda found: found[1] + f'"{formula}"', text)
        )

    return change


@pytest.mark.parametrize(
    "formula",
    [SPRINGS, "Symbol('s0').__class__", "exec('sprung')", "S('a b')", "[1, 2]", "1 # 2", "(", "(lambda: 1)()"],
)
def test_a_formula_of_sizes_that_is_more_than_arithmetic_is_refused(tmp_path, monkeypatch, formula):
    """Torch would evaluate it as Python."""
    monkeypatch.chdir(tmp_path)
    path = of_free_batch(tmp_path / "net.pt2")
    assert steps(path) == [[1, 2], [4, 5], [7, 8]]
    with pytest.raises(BadInputError, match="which would run what it says"):
        open_torch(changed(path, with_formulas(formula)), UNITS)
    assert not Path("sprung").exists()


def test_guards_are_left_out_as_torch_would_execute_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guards = json.dumps([f"{SPRINGS} or True"])
    path = changed(
        of_free_batch(tmp_path / "net.pt2"),
        lambda name, content: content.replace(b'"guards_code": []', f'"guards_code": {guards}'.encode()),
    )
    assert steps(path) == [[1, 2], [4, 5], [7, 8]]
    assert not Path("sprung").exists()


def test_a_pickle_that_torch_finds_under_a_name_that_python_does_not_is_refused(tmp_path, monkeypatch):
    """Torch takes the first of two entries of a name, and minds no capitals."""
    monkeypatch.chdir(tmp_path)
    saved = io.BytesIO()
    torch.save(Trap(), saved)
    path = exported(tmp_path / "net.pt2", nn.Linear(3, 2), torch.zeros(1, 3))
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    hidden = [(name, saved.getvalue() if name.endswith(".pt") else content) for name, content in entries]
    capitals = [(name.replace("model.pt", "model.PT"), content) for name, content in hidden]
    for written in (hidden + entries, capitals + entries, capitals):
        with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that is there twice
            for name, content in written:
                archive.writestr(zipfile.ZipInfo(name), content)
        with pytest.raises(BadInputError, match=r"an archive with one twice|found model.PT, which would run"):
            open_torch(path, UNITS)
    assert not Path("sprung").exists()


def test_an_archive_that_grows_beyond_what_decodes_within_a_bin_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/models/model.json", bytes(LARGEST_FILE + 1))
    with pytest.raises(BadInputError, match="at most 256 MiB of weights, found an archive of 257 MiB, unpacked"):
        open_torch(tmp_path / "net.pt2", UNITS)


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"config": {"a": 3}}', b"[" * 100_000, b"\xff\xfe\0"])
def test_a_damaged_part_of_an_exported_program_is_told(tmp_path, damage):
    path = exported(tmp_path / "net.pt2", nn.Linear(3, 2), torch.zeros(1, 3))
    changed(path, lambda name, content: damage if name.endswith("weights_config.json") else content)
    with pytest.raises(BadInputError, match="found one that it can't"):
        open_torch(path, UNITS)


def test_every_cut_of_an_exported_program_is_told(tmp_path):
    path = exported(tmp_path / "net.pt2", nn.Linear(3, 2), torch.zeros(1, 3))
    whole = path.read_bytes()
    for cut in range(0, len(whole), len(whole) // 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(BadInputError, match="expected a program"):
            open_torch(path, UNITS)


def test_without_torch_it_says_what_to_install(tmp_path, monkeypatch):
    path = scripted(tmp_path / "last.pt", Last())
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FailureError, match=r'needs PyTorch .*pip install .*"torch>'):
        open_torch(path, UNITS)
