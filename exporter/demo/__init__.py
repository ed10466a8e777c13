"""A small world of mail servers, served by an embedded loopback DNS, so that everything runs without a network."""
