"""Faults: each kind a file, and a line in the registry."""
