"""The table of formats, and what the documentation says of it."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.registry import FORMATS, format_of, formats_in_words
from spikeloop.models.errors import BadInputError
from tests.support.places import REPOSITORY

TABLE = re.findall(
    r"^\| (.+?) \| (.*?) \| (yes|) ?\| (.*?) ?\|$",
    (REPOSITORY / "docs" / "recordings.md").read_text().partition("## Formats")[2],
    re.MULTILINE,
)


def test_the_page_has_a_row_for_each_format_in_its_order():
    """A format may link to a page of its own; of folders, the page says in words what is in them."""
    rows = [
        (name.partition("](")[0].strip("["), files, written, extra.strip("`")) for name, files, written, extra in TABLE
    ]
    assert rows == [
        (found.name, ", ".join(found.suffixes) or files, "yes" if found.writes else "", found.extra)
        for found, (_, files, _, _) in zip(FORMATS, rows, strict=True)
    ]


@pytest.mark.parametrize("found", FORMATS, ids=lambda found: found.name)
def test_a_suffix_in_any_case_leads_to_its_format(found, tmp_path):
    if found.recognises is not None:
        return
    for suffix in found.suffixes:
        assert format_of(Path(f"session{suffix.upper()}")) is found


@pytest.mark.parametrize("found", FORMATS, ids=lambda found: found.name)
def test_every_module_has_what_the_table_promises(found):
    for package in found.packages:
        pytest.importorskip(package)
    module = import_module(f"spikeloop.exporters.formats.{found.module}")
    promised = ("find", "items", *(["write"] if found.writes else []), *(["read_arrays"] if found.arrays else []))
    assert all(callable(getattr(module, name, None)) for name in promised)


def test_the_list_in_words_has_names_and_suffixes():
    words, writable = formats_in_words(), formats_in_words(writable=True)
    for found in FORMATS:
        assert found.name in words
        assert (found.name in writable) >= found.writes
        assert all(suffix in words for suffix in found.suffixes)


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000])
def test_a_name_that_no_disk_can_hold_is_no_recording(name):
    with pytest.raises(BadInputError, match="no recording named"):
        read_recording(name)


def test_a_folder_of_no_format_is_told(tmp_path):
    assert format_of(tmp_path) is None
    with pytest.raises(BadInputError, match="found a folder of no known format"):
        read_recording(tmp_path)
