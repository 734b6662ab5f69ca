"""What laboratories' own software plugs in, under the names by which that software imports it."""
