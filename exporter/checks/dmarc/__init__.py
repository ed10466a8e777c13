"""DMARC (RFC 9989): which record applies to a domain, what it asks of receivers, and whether that is sound."""
