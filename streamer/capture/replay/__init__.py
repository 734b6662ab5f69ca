"""Recorded streams and spikes, sent out again."""
