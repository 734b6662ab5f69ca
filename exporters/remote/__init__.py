"""Bundles from the network, and to it; the only place that fetches or publishes one."""
