"""Judges. Pure: what is asked and answered comes through `exporter.checks.check`, and nothing else gets in."""
