"""An embedded DNS server on loopback with a small world of good and broken senders."""
