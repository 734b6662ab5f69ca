"""LSL streams to a file."""
