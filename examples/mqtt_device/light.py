"""A light that shines as the population fires: `light.py NAME HOST PORT [SECONDS]`."""

import json
import struct
import sys
import time

import paho.mqtt.client as mqtt

name, host, port, *seconds = sys.argv[1:]
prefix = f"spikeloop/{name}/"
state = {"brightness": 0.0, "brightest": 1.0}


def shine(client: mqtt.Client, _user: None, message: mqtt.MQTTMessage) -> None:
    """Smooth a step's spikes over about ten steps, relative to the highest rate so far."""
    _magic, _sequence, _first_bin, start_s, bin_size_s, bins, spikes = struct.unpack_from("<4sIQddII", message.payload)
    rate_hz = spikes / (bins * bin_size_s)
    state["brightest"] = max(state["brightest"], rate_hz)
    state["brightness"] += 0.1 * (rate_hz / state["brightest"] - state["brightness"])
    client.publish(f"{prefix}light", json.dumps({"stamp_s": start_s, "brightness": round(state["brightness"], 3)}))
    print(f"\r{'*' * round(60 * state['brightness']):60s}", end="", flush=True)


light = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)  # it reconnects by itself
light.on_connect = lambda client, *_: client.subscribe(f"{prefix}spikes")
light.on_message = shine
light.connect(host, int(port))
light.loop_start()
time.sleep(float(seconds[0]) if seconds else 1e9)
