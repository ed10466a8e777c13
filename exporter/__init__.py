"""A Prometheus exporter for outbound mail DNS health. docs/architecture.md walks through it."""

__version__ = "0.1.0"
