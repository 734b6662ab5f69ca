"""Arrays with names: what is counts, times, a condition or names of units."""
