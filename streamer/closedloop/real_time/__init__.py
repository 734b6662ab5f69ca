"""The same session in real time: over LSL, and with the population in a process of its own."""
