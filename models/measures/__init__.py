"""Statistics of spike windows, and how alike two populations are; NumPy and SciPy only."""
