import asyncio

from hypothesis import given
from hypothesis import strategies as st

from spikeloop.streamer.dashboard.frames import Kind, frame
from spikeloop.streamer.dashboard.hub import MOST_BYTES, MOST_FRAMES, Hub, Viewer


def bins(number: int, size: int = 0) -> bytes:
    return frame(Kind.BINS, number, bytes(size))


def number_of(content: bytes) -> int:
    return int.from_bytes(content[4:8], "little")


async def drained(viewer: Viewer) -> list[bytes]:
    """All that waits."""
    found = []
    while True:
        try:
            async with asyncio.timeout(0):
                found.append(await viewer.next())
        except TimeoutError:
            return found


async def test_a_page_that_is_slow_gets_the_newest_counts_and_the_others_are_counted():
    viewer = Viewer(1)
    for number in range(100):
        viewer.put(bins(number))
    assert [number_of(content) for content in await drained(viewer)] == list(range(100 - MOST_FRAMES, 100))
    assert viewer.dropped == 100 - MOST_FRAMES


async def test_counts_go_before_what_does_not_pass():
    viewer = Viewer(1)
    viewer.put(frame(Kind.DESCRIPTION, 0, b"{}"))
    for number in range(1, 100):
        viewer.put(bins(number))
    assert next(iter(await drained(viewer)))[0] == Kind.DESCRIPTION


async def test_how_all_is_now_reaches_a_slow_page_whatever_else_happens():
    viewer = Viewer(1)
    viewer.put(frame(Kind.DESCRIPTION, 0, b"{}"))
    for number in range(1, 200):
        viewer.put(frame(Kind.GAME if number % 2 else Kind.MARKER, number, b"{}"))
    waiting = await drained(viewer)
    assert [content[0] for content in waiting].count(Kind.DESCRIPTION) == 1
    assert [number_of(content) for content in waiting if content[0] == Kind.GAME][-1] == 199
    assert [number_of(content) for content in waiting if content[0] == Kind.MARKER] == list(range(76, 200, 2))


@given(sizes=st.lists(st.integers(0, MOST_BYTES // 2), max_size=60))
def test_what_waits_never_exceeds_the_bounds(sizes):
    viewer = Viewer(1)
    for number, size in enumerate(sizes):
        viewer.put(bins(number, size))
    waiting = asyncio.run(drained(viewer))
    assert len(waiting) <= MOST_FRAMES
    assert sum(map(len, waiting)) <= max(MOST_BYTES, max((size + 8 for size in sizes), default=0))
    assert len(waiting) + viewer.dropped == len(sizes)


async def test_frames_from_any_thread_reach_every_page_and_later_ones_begin_with_the_latest_of_each_kind():
    hub = Hub()
    hub.open(asyncio.get_running_loop())
    first = hub.enter()
    await asyncio.to_thread(hub.publish, Kind.STATE, b"old")
    await asyncio.to_thread(hub.publish, Kind.STATE, b"new")
    await asyncio.to_thread(hub.publish, Kind.BINS, b"")
    assert [await first.next() for _ in range(3)] == [
        frame(Kind.STATE, 1, b"old"), frame(Kind.STATE, 2, b"new"), frame(Kind.BINS, 3, b""),
    ]  # fmt: skip
    assert await drained(hub.enter()) == [frame(Kind.STATE, 2, b"new")]


async def test_an_answer_reaches_the_page_that_asked_alone():
    hub = Hub()
    hub.open(asyncio.get_running_loop())
    asks, other = hub.enter(), hub.enter()
    hub.publish(Kind.REFUSED, b"no", asks.number)
    assert await asks.next() == frame(Kind.REFUSED, 1, b"no")
    assert await drained(other) == []


async def test_what_pages_that_left_did_not_get_stays_counted():
    hub = Hub()
    hub.open(asyncio.get_running_loop())
    viewer = hub.enter()
    for number in range(MOST_FRAMES + 5):
        viewer.put(bins(number))
    hub.leave(viewer)
    assert (hub.dropped, hub.viewers, hub.seen) == (5, set(), 1)


def test_before_and_after_the_server_nothing_is_published():
    hub = Hub()
    hub.publish(Kind.STATE, b"")
    loop = asyncio.new_event_loop()
    hub.open(loop)
    loop.close()
    hub.publish(Kind.STATE, b"")
