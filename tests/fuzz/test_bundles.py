"""Damaged bundles: each loads as it was, or is refused in a sentence; none unpacks to more than its size allows."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spikeloop.exporters.bundle import load_bundle
from tests.support.damage import damage_bytes
from tests.support.fuzzing import corpus, refusal, seeds
from tests.support.tiny import tiny_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("bundle") / "whole.zip"
    tiny_bundle(path, units=3, bins=8)
    return path.read_bytes()


def test_damaged_zips(whole, tmp_path):
    path = tmp_path / "damaged.zip"
    path.write_bytes(whole)
    sha256, refused = load_bundle(path).sha256, 0
    for seed in seeds(60):
        path.write_bytes(damage_bytes(whole, np.random.Generator(np.random.Philox(seed))))
        found: list = []
        if refusal(lambda found=found: found.append(load_bundle(path))):
            refused += 1
        else:  # where the damage was to nothing that is read, or to the card
            assert found[0].sha256 == sha256 or found[0].card.files
    assert refused


def test_damaged_files_of_a_folder(whole, tmp_path):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        archive.extractall(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    for seed in seeds(30):
        random = np.random.Generator(np.random.Philox(10**6 + seed))
        path = tmp_path / str(random.choice(names))
        sound = path.read_bytes()
        path.write_bytes(damage_bytes(sound, random))
        refusal(lambda: load_bundle(tmp_path))
        path.write_bytes(sound)
    assert load_bundle(tmp_path).card.name == "tiny"


@pytest.mark.parametrize("path", corpus("bundles"))
def test_what_once_failed(path: Path):
    assert refusal(lambda: load_bundle(path))
