"""Reports of a monitor that watched simulated counts."""

from collections.abc import Callable

import pytest

from spikeloop.streamer.monitor.reference import Reference
from tests.support import monitored
from tests.support.monitored import MakeReport


@pytest.fixture(scope="session")
def reference_to() -> Callable[[int], Reference]:
    """A reference from six minutes of so many units."""
    return monitored.reference_to


@pytest.fixture(scope="session")
def make_report() -> MakeReport:
    """A report on so many bins; see `watched`."""
    return monitored.watched
