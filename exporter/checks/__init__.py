"""The checks. They do no I/O: questions and answers pass through `exporter.checks.check`."""
