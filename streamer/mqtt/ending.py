"""Ending tasks for certain."""

import asyncio
from typing import Any

__all__ = ["end_tasks"]

ASK_AGAIN_S = 2.0


async def end_tasks(*tasks: "asyncio.Task[Any]", again_s: float = ASK_AGAIN_S) -> None:
    """Cancel tasks, and wait until all have ended, whatever they raise.

    A task is cancelled again where it goes on: Python 3.11's `asyncio.wait_for`, with which aiomqtt waits, loses a
    cancellation that comes when its future is just done.

    Parameters
    ----------
    *tasks : asyncio.Task
    again_s : float > 0, s
        Between two attempts; longer than a task needs to take leave.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
