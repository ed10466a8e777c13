"""Reads and validates the configuration, and reports all problems with file, line and column."""
