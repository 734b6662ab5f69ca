"""Folders of spike sorters, of SpikeInterface and of suite2p."""
