"""Where the monitor's figures go: terminal, page, plots, Prometheus, LSL."""
