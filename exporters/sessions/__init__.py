"""Recorded sessions, all streams of an XDF file, as files of other formats."""
