import pytest

from spikeloop.streamer.monitor.pace import Pace


class Worker:
    """A thread whose processor and rest are counted."""

    def __init__(self, share):
        self.cpu_s, self.rested_s = 5.0, 0.0
        self.pace = Pace(share, lambda: self.cpu_s, self.sleep)

    def sleep(self, seconds):
        self.rested_s += seconds

    def work(self, seconds):
        self.cpu_s += seconds
        self.pace.rest()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_share_of_a_core_is_what_work_takes(share):
    worker = Worker(share)
    worker.pace.rest()
    for seconds in (0.1, 0.3, 0.02):
        worker.work(seconds)
    assert 0.42 / (0.42 + worker.rested_s) == pytest.approx(share)


def test_what_was_done_before_the_first_call_is_not_counted_and_a_whole_core_never_rests():
    worker = Worker(0.2)
    worker.work(3.0)
    assert worker.rested_s == 0
    worker = Worker(1.0)
    worker.work(3.0)
    worker.work(3.0)
    assert worker.rested_s == 0
