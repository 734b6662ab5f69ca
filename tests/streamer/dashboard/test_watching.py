"""The monitor beside the page: where it fails, the page gets the reason and goes on without."""

import asyncio

from spikeloop.streamer.dashboard.frames import Kind
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.dashboard.shared_spikes import SharedSpikes
from spikeloop.streamer.dashboard.watching import Watching
from spikeloop.streamer.monitor.subject import MonitorSettings
from tests.support.web_pages import received


class Broken(SharedSpikes):
    """Spikes that can't be pulled."""

    def __init__(self) -> None:
        super().__init__()
        self.pulls = 0

    def pull(self):
        self.pulls += 1
        raise OSError("\x1b[31mno memory\nleft")


async def test_a_monitor_that_fails_says_so_once_and_ends():
    hub, spikes = Hub(), Broken()
    hub.open(asyncio.get_running_loop())
    page = hub.enter()
    with Watching(spikes, MonitorSettings(bundle=""), hub, lambda: 0.0):
        message = received(await page.next())
    assert message.kind == Kind.STATISTICS
    assert message.document == {"notices": ["no statistics: ?[31mno memory left"]}
    assert spikes.pulls == 1
    assert received(await hub.enter().next()).document == message.document  # who comes later is told too
