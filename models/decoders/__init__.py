"""Decoders of movement from spike counts, bin by bin; NumPy and SciPy only but for a network."""
