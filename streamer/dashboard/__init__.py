"""A page in the browser beside a stream: watch it, and steer it."""
