"""MATLAB files of every version."""
