"""Remembers: the latest verdicts, and what is held of them."""
