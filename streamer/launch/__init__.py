"""A whole stream put together, for every caller: the command line, Python, the closed loop, tests."""
