"""Recording LSL streams, replaying recordings, and verifying them."""
