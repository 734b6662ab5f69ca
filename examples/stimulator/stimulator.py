"""A stimulator with a trigger of one's own: `stimulator.py NAME HOST PORT UNIT [SECONDS]`."""

import json
import struct
import sys
import time

import paho.mqtt.client as mqtt

name, host, port, unit, *seconds = sys.argv[1:]
prefix, watched = f"spikeloop/{name}/", int(unit)
sent_s: dict[str, float] = {}
spiked_s = ready_s = 0.0


def answer(client: mqtt.Client, _user: None, message: mqtt.MQTTMessage) -> None:
    """Answer two spikes of the unit within 30 ms with a pulse of 60 uA for all, at most twice a second."""
    global spiked_s, ready_s
    if message.topic.endswith("marker"):
        marker = json.loads(message.payload)
        if marker.get("id") in sent_s:
            print(
                f"{marker['id']} accepted after {1000 * (time.monotonic() - sent_s[marker['id']]):.1f} ms", flush=True
            )
        return
    start_s = struct.unpack_from("<d", message.payload, 16)[0]
    for spike, time_us in struct.iter_unpack("<II", message.payload[40:]):
        at_s = start_s + time_us * 1e-6
        if spike == watched:
            if at_s - spiked_s < 0.03 and at_s > ready_s:
                ready_s, pulse = at_s + 0.5, f"own-{len(sent_s)}"
                sent_s[pulse] = time.monotonic()
                client.publish(f"{prefix}stimulate", json.dumps({"id": pulse, "units": "all", "amplitude_ua": 60}))
            spiked_s = at_s


device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
device.on_connect = lambda client, *_: client.subscribe([(f"{prefix}spikes", 0), (f"{prefix}marker", 0)])
device.on_message = answer
device.connect(host, int(port))
device.loop_start()
time.sleep(float(seconds[0]) if seconds else 1e9)
