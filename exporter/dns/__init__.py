"""A stub resolver: it returns each DNS answer as an `Answer`, and raises none of dnspython's exceptions."""
