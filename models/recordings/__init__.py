"""Recordings as one type: from files, by name, or simulated with known truth."""
