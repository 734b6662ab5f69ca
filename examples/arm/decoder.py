"""A hand, and a decoder that learns to follow it: `decoder.py NAME HOST PORT [SECONDS]`, the time it learns.

The hand's velocity drives the population over MQTT. Spikes and the velocity that drove them come back over LSL; once
the decoder has learned, it decodes velocity from spikes alone and publishes it on `cursor`, 50 times a second.
"""

import json
import math
import sys
import time

import numpy as np
import paho.mqtt.client as mqtt
import pylsl

RADIUS_CM, TURN_S, EDGE_CM = 10.0, 3.0, 12.0


def follow(name: str) -> pylsl.StreamInlet:
    return pylsl.StreamInlet(pylsl.resolve_byprop("name", name, timeout=60)[0])


def hand(now_s: float) -> list[float]:
    """Compute the velocity at a time: circles, every other one in the opposite direction."""
    turn, phase = divmod(now_s / TURN_S, 1.0)
    speed, direction = 2 * math.pi * RADIUS_CM / TURN_S, 1 - 2 * (turn % 2)
    return [-speed * math.sin(2 * math.pi * phase), direction * speed * math.cos(2 * math.pi * phase)]


def run(name: str, host: str, port: str, learns_s: str = "20") -> None:
    prefix = f"spikeloop/{name}/"
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect(host, int(port))
    client.loop_start()
    counts, conditions = follow(name), follow(f"{name}-Condition")
    rates, position, weights = np.zeros(counts.channel_count + 1), np.zeros(2), None
    seen: dict[float, np.ndarray] = {}
    moved: dict[float, list[float]] = {}
    learned_s = time.monotonic() + float(learns_s)
    while True:
        spikes, stamp = counts.pull_sample(timeout=1.0)
        if stamp is None:
            continue
        client.publish(f"{prefix}condition", json.dumps({"values": hand(stamp)}))
        rates = 0.9 * rates + 0.1 * np.append(spikes, 1.0)  # smoothed, and a constant
        if weights is None:
            seen[round(stamp, 4)] = rates
            drove, stamps = conditions.pull_chunk()
            moved |= {round(at, 4): driving[:2] for driving, at in zip(drove, stamps, strict=True)}
            if time.monotonic() > learned_s:  # ridge regression of velocity on rates
                both = sorted(seen.keys() & moved.keys())
                x, y = np.array([seen[at] for at in both]), np.array([moved[at] for at in both])
                weights = np.linalg.solve(x.T @ x + 0.05 * len(x) * np.eye(x.shape[1]), x.T @ y)
                print(f"decoding after {len(both)} bins", flush=True)
            continue
        velocity = rates @ weights
        position = np.clip(0.99 * position + 0.02 * velocity, -EDGE_CM, EDGE_CM)  # it forgets, and doesn't drift
        cursor = {
            "stamp_s": stamp,
            "position_cm": position.tolist(),
            "velocity_cm_s": velocity.tolist(),
            "target": None,
        }
        client.publish(f"{prefix}cursor", json.dumps(cursor))


if __name__ == "__main__":
    run(*sys.argv[1:])
