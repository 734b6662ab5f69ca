"""A subscriber of our own: `subscriber HOST PORT NAME UNITS LOG` logs each bin that a stream publishes, for ever.

Its steps have one bin, so that the counts follow from the spikes of a message.
"""

import sys
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pylsl
from paho.mqtt.enums import CallbackAPIVersion

from spikeloop.streamer.mqtt.payloads import decode_spikes
from tests.soak.bin_log import BinLog, Run, checksum

SOONEST_S, LATEST_S = 1, 2  # between attempts to connect


def main(host: str, port: str, name: str, units: str, file: str) -> None:
    log = BinLog(Path(file))

    def note(client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        step = decode_spikes(bytes(message.payload))
        run = Run(name, step.start_s - step.first_bin * step.bin_size_s, step.bin_size_s)
        counts = np.bincount(step.units.astype(np.intp), minlength=int(units))
        log.add(run, np.array([step.first_bin]), [checksum(counts)], pylsl.local_clock())

    def subscribe(*_: object) -> None:
        client.subscribe(f"spikeloop/{name}/spikes")

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = note
    client.on_connect = subscribe
    client.reconnect_delay_set(SOONEST_S, LATEST_S)
    client.connect_async(host, int(port), keepalive=10)
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
