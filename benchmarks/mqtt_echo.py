"""The least that a round trip over MQTT can take: `mqtt_echo.py ping PORT EVERY_S SECONDS OUT.npz` and `echo PORT`.

Two bare aiomqtt clients and the broker between them, with messages as long as a step's spikes.
"""

import asyncio
import socket
import struct
import sys
import time

import aiomqtt
import numpy as np

TOPIC, REST = "bare-echo", bytes(160)
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def client(port: str) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", int(port), socket_options=(NO_DELAY,))


async def ping(port: str, every_s: str, seconds: str, out: str) -> None:
    took: list[float] = []
    async with client(port) as mine, asyncio.TaskGroup() as tasks:
        await mine.subscribe(f"{TOPIC}/back")

        async def listen() -> None:
            async for message in mine.messages:
                now = time.perf_counter()
                took.append(now - struct.unpack_from("<d", bytes(message.payload))[0])

        listening = tasks.create_task(listen())
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            await mine.publish(f"{TOPIC}/there", struct.pack("<d", time.perf_counter()) + REST)
            await asyncio.sleep(float(every_s))
        listening.cancel()
    np.savez(out, took=took)


async def echo(port: str) -> None:
    async with client(port) as mine:
        await mine.subscribe(f"{TOPIC}/there")
        async for message in mine.messages:
            await mine.publish(f"{TOPIC}/back", message.payload)


if __name__ == "__main__":
    asyncio.run({"ping": ping, "echo": echo}[sys.argv[1]](*sys.argv[2:]))
