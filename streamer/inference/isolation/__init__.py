"""A user's own decoder in a process of its own, where what it does ends nothing but itself."""
