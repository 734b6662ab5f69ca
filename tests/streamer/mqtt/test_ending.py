"""Ending tasks for certain."""

import asyncio

from spikeloop.streamer.mqtt.ending import end_tasks


async def stubborn(lost: int, begun: asyncio.Event) -> None:
    """Lose cancellations, as Python 3.11's `wait_for` can."""
    begun.set()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost -= 1
            if lost < 0:
                raise


async def failing() -> None:
    raise ValueError("on its own")


async def test_a_task_that_loses_cancellations_is_ended():
    begun = asyncio.Event()
    tasks = [asyncio.create_task(stubborn(2, begun)), asyncio.create_task(failing())]
    await begun.wait()
    await end_tasks(*tasks, again_s=0.01)
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ValueError)


async def test_nothing_to_end_is_ended():
    await end_tasks()
