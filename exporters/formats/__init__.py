"""Recordings from and to files: one module for each format, behind one `read_recording`."""
