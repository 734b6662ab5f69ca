"""What drives a population, bin after bin: known ahead of time, or held while it comes live."""
