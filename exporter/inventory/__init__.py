"""Knows what to sample: pools, their addresses and HELO names."""
