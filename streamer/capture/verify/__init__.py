"""The spikes of a file made again, and compared bit by bit."""
