"""What a person types.

The rule of this file: it imports nothing that its command does not need, so that `--version` and a first scrape are
quick. Exit codes: 0 as asked, 1 a finding, 2 the command line or the configuration, 3 cannot run, 4 inconclusive.
"""

import sys


def main() -> None:
    """Run the command line; the console script `maildns-exporter`, and ``python -m exporter``."""
    from exporter.cli.commands import cli  # the package stays light to import
    from exporter.errors import CannotRunError, ConfigError

    try:
        cli.main(prog_name="maildns-exporter")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except CannotRunError as error:
        sys.stderr.write(f"maildns-exporter: {error}\n")
        sys.exit(3)
