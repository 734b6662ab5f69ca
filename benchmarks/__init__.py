"""Measured, not asserted: `python -m benchmarks [stream] [scale] [realism]`."""
