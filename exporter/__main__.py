"""``python -m exporter`` is `maildns-exporter`."""

from exporter.cli.main import main

if __name__ == "__main__":
    main()
