"""Sorted spikes judged by the true ones."""
