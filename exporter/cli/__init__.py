"""The command line: `main` parses it, the other files carry out the commands."""
