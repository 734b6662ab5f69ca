"""Logs of bins: what is written is read, also after a kill; stamps give the numbers of bins."""

import numpy as np

from tests.soak.bin_log import OFF_GRID, ROW, BinLog, Run, bin_numbers, checksum, read_log

RUN, NEXT = Run("lab", 12_345.678, 0.02), Run("lab", 12_400.0, 0.02)


def test_what_is_logged_is_read_by_runs(tmp_path):
    with BinLog(tmp_path / "log") as log:
        log.add(RUN, np.array([0, 1]), [7, 8], 1.0)
        log.add(NEXT, np.array([5]), [9], 2.0)
        log.add(Run("lab", RUN.start_s + 1e-9, 0.02), np.array([2]), [10], 3.0)
    (first, rows), (second, others) = read_log(tmp_path / "log")
    assert (first, second) == (RUN, NEXT)
    assert rows[["bin", "sum", "arrived_s"]].tolist() == [(0, 7, 1.0), (1, 8, 1.0), (2, 10, 3.0)]
    assert others["bin"].tolist() == [5]


def test_a_row_that_a_kill_has_cut_is_left_out(tmp_path):
    with BinLog(tmp_path / "log") as log:
        log.add(RUN, np.array([0, 1]), [7, 8], 1.0)
    rows = (tmp_path / "log.rows").read_bytes()
    (tmp_path / "log.rows").write_bytes(rows[: -ROW.itemsize // 2])
    ((_, rows),) = read_log(tmp_path / "log")
    assert rows["bin"].tolist() == [0]


def test_no_log_has_no_runs(tmp_path):
    assert read_log(tmp_path / "log") == []


def test_stamps_give_their_bins_after_hours_too():
    numbers = np.array([0, 1, 179_999, 10**8])
    stamps_s = RUN.start_s + (numbers + 1) * RUN.bin_size_s
    assert bin_numbers(RUN, stamps_s).tolist() == numbers.tolist()


def test_a_stamp_inside_a_bin_is_the_end_of_none():
    assert bin_numbers(RUN, np.array([RUN.stamp_s(4) + 0.005])).tolist() == [OFF_GRID]


def test_the_checksum_is_of_counts_and_not_of_their_type():
    counts = np.array([0, 3, 1], np.uint8)
    assert checksum(counts) == checksum(counts.astype(np.float32)) == checksum(counts.tolist())
    assert checksum(counts) != checksum(counts[::-1])
