"""Shows Prometheus: the catalogue of families, the collectors, the exposition."""
