"""A stream in time: clock, source, the loop with its deadlines, and what changes a step on its way."""
