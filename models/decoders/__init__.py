"""Decoders that tell movement from counts bin by bin, as a closed loop asks; NumPy and SciPy only but for a network."""
