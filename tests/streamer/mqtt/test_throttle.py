import asyncio
import socket

from spikeloop.streamer.mqtt.throttle import BURST, RATE_HZ, ThrottledLoop


async def count_reads(passing_s: float, waits: list[float]) -> int:
    """Reads of a socket that is always ready, while a timer runs beside them."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    reads = 0

    def read() -> None:
        nonlocal reads
        reads += 1

    with ours, theirs:
        theirs.send(b"x")
        loop.add_reader(ours.fileno(), read)
        ends_s = loop.time() + passing_s
        while (began_s := loop.time()) < ends_s:
            await asyncio.sleep(0.01)
            waits.append(loop.time() - began_s)
        assert loop.remove_reader(ours.fileno())
        before = reads
        await asyncio.sleep(0.05)
        assert reads == before
    return reads


def test_a_flood_is_read_at_the_stated_rate_and_holds_up_nothing():
    waits: list[float] = []
    with asyncio.Runner(loop_factory=ThrottledLoop) as runner:
        reads = runner.run(count_reads(0.5, waits))
    assert BURST < reads <= BURST + 0.6 * RATE_HZ
    assert len(waits) > 2  # others had their turn meanwhile


def test_a_reader_is_removed_also_while_it_pauses():
    async def use() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        reads = 0

        def read() -> None:
            nonlocal reads
            reads += 1
            if reads == BURST:
                loop.call_soon(loop.remove_reader, ours.fileno())

        with ours, theirs:
            theirs.send(b"x")
            loop.add_reader(ours.fileno(), read)
            await asyncio.sleep(0.1)
            assert not loop.remove_reader(ours.fileno())
        return reads

    with asyncio.Runner(loop_factory=ThrottledLoop) as runner:
        assert BURST <= runner.run(use()) <= BURST + 5
