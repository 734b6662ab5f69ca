import struct
import sys
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.decoder_files.content import LARGEST_FILE
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.skops_file import open_skops

skops = pytest.importorskip("skops.io")
UNITS = 3


@pytest.fixture
def saved(tmp_path, random):
    """A function that fits an estimator on so many features, and gives the file and the counts that it learned from."""

    def save(estimator, features=UNITS):
        counts = random.poisson(2.0, (40, features)).astype(float)
        estimator.fit(counts, counts[:, :2] - counts[:, 2:])
        path = tmp_path / "fitted.skops"
        skops.dump(estimator, path)
        return path, counts

    return save


def test_a_fitted_pipeline_decodes_counts_as_they_are(saved):
    estimator = make_pipeline(StandardScaler(), Ridge(alpha=0.1))
    path, counts = saved(estimator)
    decoder = open_skops(path, UNITS)
    np.testing.assert_allclose([decoder.step(bin_counts) for bin_counts in counts], estimator.predict(counts))


def test_several_bins_in_a_row_are_in_the_order_that_the_user_says(saved, random):
    counts = random.poisson(2.0, (40, 6)).astype(float)
    estimator = Ridge(alpha=0.1).fit(counts, counts[:, :2])
    skops.dump(estimator, path := saved(Ridge())[0])
    bins = random.poisson(2.0, (2, UNITS))
    for axes, row in (("bins,units", bins), ("units,bins", bins.T)):
        decoder = open_skops(path, UNITS, FileOptions(axes=axes))
        found = [decoder.step(bin_counts) for bin_counts in bins]
        np.testing.assert_allclose(found[-1], estimator.predict(row.reshape(1, 6))[0])
    with pytest.raises(BadInputError, match=r"\?axes=bins,units or \?axes=units,bins"):
        open_skops(path, UNITS)


def test_what_skops_does_not_trust_is_refused_by_name(saved):
    path, _ = saved(make_pipeline(FunctionTransformer(np.sqrt), FunctionTransformer(_own), Ridge()))
    with pytest.raises(BadInputError, match=r"expected types of NumPy, SciPy and scikit-learn, found .*_own"):
        open_skops(path, UNITS)


def _own(counts):
    return counts


def test_what_is_no_fitted_regressor_is_told(tmp_path, saved):
    (tmp_path / "noise.skops").write_bytes(b"noise")
    with pytest.raises(BadInputError, match="expected a file that skops wrote"):
        open_skops(tmp_path / "noise.skops", UNITS)
    for estimator, message in (
        (Ridge(), "fitted regressor, found Ridge"),
        (StandardScaler(), "found StandardScaler"),
    ):
        skops.dump(estimator, tmp_path / "unfitted.skops")
        with pytest.raises(BadInputError, match=message):
            open_skops(tmp_path / "unfitted.skops", UNITS)
    skops.dump(LogisticRegression().fit(np.eye(3), [0, 1, 1]), tmp_path / "classes.skops")
    with pytest.raises(BadInputError, match="an output of 2 numbers a bin, the velocity, .*found velocity int64"):
        open_skops(tmp_path / "classes.skops", UNITS)
    with pytest.raises(BadInputError, match="give a decoder of 5 units"):
        open_skops(saved(Ridge())[0], 5)


def test_without_skops_it_says_what_to_install(saved, monkeypatch):
    path, _ = saved(Ridge())
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(FailureError, match=r'needs skops .*pip install .*"skops>'):
        open_skops(path, UNITS)


def test_an_archive_that_grows_beyond_what_decodes_within_a_bin_is_refused_unread(saved, monkeypatch):
    path, _ = saved(Ridge())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(LARGEST_FILE))
    assert path.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(BadInputError, match=r"skops:.*at most 256 MiB of weights, found an archive of 257 MiB"):
        open_skops(path, UNITS)


def test_an_entry_is_unpacked_no_further_than_its_directory_says(saved):
    """The directory of a bomb may lie."""
    path, _ = saved(Ridge())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("schema.json", bytes(2**24))  # a second one, which is the one that is found
        (size,) = (entry.file_size for entry in archive.infolist()[-1:])
    content = bytearray(path.read_bytes())
    place = content.rindex(struct.pack("<L", size))
    content[place : place + 4] = struct.pack("<L", 10)
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile):
        archive.read("schema.json")
    with pytest.raises(BadInputError, match="found one that it can't load"):
        open_skops(path, UNITS)
