import asyncio

from blockbuster import BlockBuster

from spikeloop.streamer.stream.clock import SimulatedClock, WallClock


async def test_simulated_time_passes_only_where_somebody_waits():
    clock = SimulatedClock(5.0)
    assert clock.now() == 5.0
    await clock.sleep_until(7.5)
    assert clock.now() == 7.5
    await clock.sleep_until(6.0)  # the past
    assert clock.now() == 7.5


async def test_the_wall_clock_never_wakes_early_and_always_yields():
    clock = WallClock()
    others = []
    other = asyncio.create_task(asyncio.sleep(0, others.append("ran")))
    await clock.sleep_until(clock.now() - 1)  # the past
    assert others == ["ran"]
    await other
    for wait_s in (0.0003, 0.004):
        due_s = clock.now() + wait_s
        await clock.sleep_until(due_s)
        assert clock.now() >= due_s


async def test_only_the_last_stretch_of_a_wait_is_slept_in_the_thread(blockbuster: BlockBuster, monkeypatch):
    slept = []
    monkeypatch.setattr("spikeloop.streamer.stream.clock.time.sleep", slept.append)
    clock = WallClock()
    await clock.sleep_until(clock.now() + 0.05)
    assert all(0 < rest <= 0.002 for rest in slept)
