"""Many comparisons of decoders offline: decoders x recordings x bundles x widths of bins x seeds."""
