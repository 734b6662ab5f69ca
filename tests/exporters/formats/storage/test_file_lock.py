"""A file that is written to is not begun anew by another program."""

import errno

import pytest

from spikeloop.exporters.formats.storage.file_lock import is_being_written, open_alone


def test_a_file_that_is_written_to_is_neither_opened_nor_emptied_by_another(tmp_path):
    path = tmp_path / "x.xdf"
    with open_alone(path, replace=False) as file:
        file.write(b"what was recorded")
        assert is_being_written(path)
        with pytest.raises(OSError, match="another program") as refused:
            open_alone(path, replace=True)
        assert refused.value.errno == errno.EBUSY
        assert path.read_bytes() == b"what was recorded"
    assert not is_being_written(path)


def test_a_file_that_is_no_longer_written_to_is_replaced_only_where_that_is_asked(tmp_path):
    path = tmp_path / "x.xdf"
    path.write_bytes(b"earlier")
    with pytest.raises(FileExistsError):
        open_alone(path, replace=False)
    with open_alone(path, replace=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_where_there_is_no_file_nothing_writes_to_it(tmp_path):
    assert not is_being_written(tmp_path / "x.xdf")
    assert list(tmp_path.iterdir()) == []
