"""Training: one loop for every network, the fit of a baseline, and their validation."""
