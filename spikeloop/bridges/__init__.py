"""What software of laboratories plugs in, under the names by which it is told where to find it."""
