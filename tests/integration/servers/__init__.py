"""Real servers on loopback, for tests: each in a folder of its own, on a free port, stopped by its own process id."""
