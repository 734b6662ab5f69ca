import gzip

import numpy as np
import pytest

from spikeloop.exporters.formats.read import read_recording
from spikeloop.exporters.formats.write import write_recording
from spikeloop.exporters.formats.xdf.chunks import open_streams
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording

SIZE = 0.02


@pytest.fixture
def file(tmp_path):
    return tmp_path / "session.xdf"


def test_a_file_cut_short_gives_what_is_whole(file, random):
    counts = random.integers(0, 5, (12000, 2))
    write_recording(Recording.from_counts(counts, SIZE, name="s"), file)
    file.write_bytes(file.read_bytes()[:-20_000])
    recording = read_recording(file)
    np.testing.assert_array_equal(recording.counts[0], counts[: recording.bins])
    assert recording.bins == 10_000
    assert "1 damaged or incomplete chunk" in " ".join(recording.history)


@pytest.mark.parametrize("stated", [0, 1, 255])
def test_a_chunk_that_states_another_number_of_samples_is_left_out(file, stated):
    write_recording(Recording.from_counts(np.ones((40, 2)), SIZE, name="s"), file)
    content = file.read_bytes()
    at = content.index(b"\x28", content.index(b"</info>"))
    file.write_bytes(content[:at] + bytes([stated]) + content[at + 1 :])
    with pytest.raises(BadInputError, match="no samples"):
        read_recording(file, key="s")


@pytest.mark.parametrize("suffix", [".xdfz", ".XDFZ"])
def test_compressed_files_are_read(tmp_path, suffix):
    write_recording(Recording.from_counts(np.ones((4, 2)), SIZE), tmp_path / "plain.XDF")
    packed = tmp_path / f"packed{suffix}"
    packed.write_bytes(gzip.compress((tmp_path / "plain.XDF").read_bytes()))
    assert read_recording(packed).counts.sum() == 8
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(BadInputError, match="is it complete"):
        read_recording(packed)


@pytest.mark.parametrize("suffix", [".xdf", ".xdfz"])
@pytest.mark.parametrize("error", [ValueError("mine"), OSError("mine"), EOFError("mine")])
def test_an_error_of_who_reads_a_file_is_not_blamed_on_the_file(suffix, error, file):
    write_recording(Recording.from_counts(np.ones((40, 2)), SIZE, name="s"), file)
    path = file.with_suffix(suffix)
    path.write_bytes(file.read_bytes() if suffix == ".xdf" else gzip.compress(file.read_bytes()))
    with pytest.raises(type(error), match="^mine$"), open_streams(path):
        raise error
