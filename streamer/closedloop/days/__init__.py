"""Closed loops over many days: a population that drifts, and policies that keep a decoder in step with it."""
