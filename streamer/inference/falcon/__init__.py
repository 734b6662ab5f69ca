"""Decoders in the interface of the FALCON challenge (Karpowicz et al. 2024, NeurIPS Datasets and Benchmarks)."""
