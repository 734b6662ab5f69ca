"""Draw the arm in the terminal, and print how well it follows: `watch.py NAME HOST PORT [SECONDS]`."""

import json
import sys
import time

import numpy as np
import paho.mqtt.client as mqtt

WIDE, HIGH, LEFT_CM, TOP_CM, STEP_CM = 60, 24, -45.0, 24.0, (1.5, 3.0)
SHOULDER_CM = (0.0, -45.0)

name, host, port, *seconds = sys.argv[1:]
latest: dict[str, dict] = {}


def draw() -> str:
    """Upper arm and forearm as lines of characters, with the cursor as a cross."""
    page = np.full((HIGH, WIDE), " ")
    joints = [SHOULDER_CM, latest["arm"]["elbow_cm"], latest["arm"]["endpoint_cm"]]
    for first, last, mark in zip(joints[:-1], joints[1:], "#=", strict=True):
        for share in np.linspace(0, 1, 60):
            put(page, np.array(first) * (1 - share) + np.array(last) * share, mark)
    put(page, joints[2], "@")
    put(page, latest["cursor"]["position_cm"], "+")
    return "\n".join("".join(line) for line in page)


def put(page: np.ndarray, place_cm: np.ndarray | list[float], mark: str) -> None:
    column, line = int((place_cm[0] - LEFT_CM) / STEP_CM[0]), int((TOP_CM - place_cm[1]) / STEP_CM[1])
    if 0 <= column < WIDE and 0 <= line < HIGH:
        page[line, column] = mark


def note(_client: mqtt.Client, _user: None, message: mqtt.MQTTMessage) -> None:
    latest[message.topic.rpartition("/")[2]] = json.loads(message.payload)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect = lambda client, *_: client.subscribe(
    [(f"spikeloop/{name}/{topic}", 0) for topic in ("arm", "cursor")]
)
client.on_message = note
client.connect(host, int(port))
client.loop_start()
end, distances = time.monotonic() + (float(seconds[0]) if seconds else 1e9), []
while time.monotonic() < end:
    time.sleep(0.1)
    if len(latest) == 2:
        off_cm = np.subtract(latest["arm"]["endpoint_cm"], latest["cursor"]["position_cm"])
        distances.append(float(np.hypot(*off_cm)))
        print(f"\033[H\033[J{draw()}\n{distances[-1]:.1f} cm from the cursor", flush=True)
print(f"mean distance {np.mean(distances):.2f} cm" if distances else "no arm, or no cursor, was published")
