"""The soak: a laboratory of real processes, disturbed for an hour by faults that follow from a seed."""
