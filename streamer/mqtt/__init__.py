"""The MQTT wire: spikes and health to a broker; conditions, control and stimuli from it."""
