"""SPF (RFC 7208): what a record says, of one address and of all of them, and how sound it is."""
