"""What the soak runs beside spikeloop's own commands, each a program of its own."""
