"""Asks. What the DNS says leaves this folder as an `Answer`; dnspython and its exceptions do not leave it."""
