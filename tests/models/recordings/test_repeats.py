import numpy as np

from spikeloop.models.recordings.repeats import join_recorded, pad_repeats, recorded_rows, split_repeats


def test_without_lengths_nothing_is_copied(random):
    values = random.random((3, 5, 2))
    assert recorded_rows(values, None) is values
    assert np.shares_memory(join_recorded(values, None), values)
    assert all(np.shares_memory(row, values) for row in split_repeats(values, None))


def test_padding_is_left_out_also_of_several_passes(random):
    repeats = [random.random((bins, 2)) for bins in (3, 5, 1)]
    padded = pad_repeats(repeats)
    assert padded.shape == (3, 5, 2)
    padded[0, 3:] = np.nan
    for found, expected in zip(split_repeats(padded, (3, 5, 1)), repeats, strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(join_recorded(padded, (3, 5, 1)), np.concatenate(repeats))
    twice = np.concatenate([padded, padded])
    np.testing.assert_array_equal(join_recorded(twice, (3, 5, 1)), np.concatenate(repeats * 2))
    assert recorded_rows(twice, (3, 5, 1)).shape == (1, 18, 2)
