"""The same for a program that runs an event loop of its own."""

import asyncio

import spikeloop


async def main() -> None:
    async with spikeloop.open_stream("retina", name="lab", duration_s=1.0) as stream:
        await stream.wait()
    print(stream.report)


asyncio.run(main())
