"""Recordings and saved sessions, played in the page."""
