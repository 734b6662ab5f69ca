"""NWB, in HDF5 or Zarr, here or remote."""
