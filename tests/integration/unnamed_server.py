"""Runs the exporter behind a system resolver that never answers, and says how far it gets: a program of its own.

It needs a network namespace in which nothing is configured, and a resolv.conf that names 127.0.0.77.
"""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.integration.servers.process import wait_until
from tests.integration.servers.tools import require


def main() -> None:
    """Start the exporter, wait until it serves, and stop it."""
    config = Path(sys.argv[1])
    subprocess.run([require("ip"), "link", "set", "lo", "up"], check=True)
    with socket.socket(type=socket.SOCK_DGRAM) as silent, (config.parent / "log").open("wb") as log:
        silent.bind(("127.0.0.77", 53))
        command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
        exporter = subprocess.Popen(command, stderr=log)
        silent.recv(4096)
        print("asked", flush=True)
        wait_until(lambda: re.search("event=.?serving", (config.parent / "log").read_text()) is not None, "it serves")
        print("serving", flush=True)
        exporter.send_signal(signal.SIGTERM)
        print("ended", exporter.wait())


if __name__ == "__main__":
    main()
