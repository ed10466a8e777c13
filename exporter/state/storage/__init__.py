"""Saves the state in an SQLite file and restores it after a restart. Sampling never waits for it: see docs/state.md."""
