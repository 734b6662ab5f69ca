"""What sessions showed: statistics of trials, the report, plots and the page."""
