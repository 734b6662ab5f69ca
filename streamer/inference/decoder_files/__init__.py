"""Trained decoders in files of other programs: what is in them, and how they run bin by bin."""
