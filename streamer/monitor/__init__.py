"""The side monitor: what a stream does, how far that is from what was recorded, and which spikes matter."""
