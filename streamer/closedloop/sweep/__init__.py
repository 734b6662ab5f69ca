"""Many closed loops: decoders x bundles x perturbations x seeds, on many processes or machines."""
