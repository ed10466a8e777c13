"""Keeps state over restarts, in an SQLite file of its own.

The rule of this package: sampling never waits for it and never stops because of it. What is kept, how precisely, and
what happens when the file cannot be written is in docs/state.md.
"""
