"""Virtual devices: what stands at the far end of the MQTT wire, so that a demo needs no hardware."""
