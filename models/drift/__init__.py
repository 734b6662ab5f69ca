"""The drift alarm: when is a stream no longer the population that was recorded? NumPy and SciPy only."""
