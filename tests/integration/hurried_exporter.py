"""Serves a configuration on a port, sampling more often than an operator may: ``... FILE PORT SECONDS``."""

import asyncio
import sys
from pathlib import Path

from exporter.options import ServeOptions
from exporter.service import Service
from tests.integration.serving import hurried


def main(path: str, port: str, seconds: str) -> None:
    """Serve until a signal comes."""
    text = Path(path).read_text(encoding="utf-8")
    options = ServeOptions(lambda: hurried(text, float(seconds)), listen=(("127.0.0.1", int(port)),))
    asyncio.run(Service(options).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
