"""Importance maps: which spikes matter to a critic. NumPy only."""
