"""Pools and the addresses and HELO names to sample."""
