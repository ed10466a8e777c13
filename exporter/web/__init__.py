"""Shows people and scrapers: the HTTP side."""
