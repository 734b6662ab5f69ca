"""A visitor as the user of a loop: games, calibration, comparisons, and what is kept of them."""
