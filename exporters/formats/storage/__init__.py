"""Safe access to files: whole ones, damaged HDF5, remote ones, and trees of arrays."""
