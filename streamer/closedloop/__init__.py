"""The closed loop: tasks, users, decoders, and the session that runs and compares them."""
