"""What Neo reads, and NIX."""
