"""The program inside the sandbox of `Pod`: `python inside.py PORT COMMAND...`.

It serves the demo world's DNS on PORT, starts the exporter with COMMAND, and executes one order for each line of its
standard input: ``get PATH [USER:PASSWORD]``, ``python ARGUMENTS`` (a JSON list), ``writable`` and ``stop``. It answers
each with a line of JSON.
"""

import asyncio
import base64
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from exporter.demo.server import DemoServer
from exporter.demo.world import demo_world

EXPORTER = f"{os.environ.get('SCHEME', 'http')}://127.0.0.1:10047"


def get(argument: str) -> dict[str, object]:
    """Status and body of the exporter's response. The status is 0 while it does not listen."""
    path, _, credentials = argument.partition(" ")
    request = urllib.request.Request(EXPORTER + path)
    if credentials:
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
    unverified = ssl._create_unverified_context() if EXPORTER.startswith("https:") else None  # as the kubelet does
    try:
        with urllib.request.urlopen(request, timeout=60, context=unverified) as response:
            return {"status": response.status, "body": response.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}
    except OSError as error:
        return {"status": 0, "body": str(error)}


def python(arguments: str) -> dict[str, object]:
    """Exit status and errors of another container of the same image, with the command `python`."""
    done = subprocess.run([sys.executable, *json.loads(arguments)], capture_output=True, text=True, timeout=60)
    return {"exit": done.returncode, "errors": done.stderr}


def writable() -> dict[str, object]:
    """The user, the capabilities, and the folders where the user may write."""
    folders = ["/", "/tmp", "/var/tmp", "/run", "/etc/maildns-exporter", str(Path.cwd())]
    capabilities = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff")]
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "capabilities": int(capabilities[0].split()[1], 16),
        "folders": [folder for folder in folders if os.access(folder, os.W_OK)],
    }


async def main(port: int, command: list[str]) -> None:
    """Serve the DNS, start the exporter, execute orders, and stop the exporter with SIGTERM."""
    async with DemoServer(demo_world(), port=port):
        exporter = await asyncio.create_subprocess_exec(*command)
        try:
            while True:
                order, _, argument = (await asyncio.to_thread(sys.stdin.readline)).strip().partition(" ")
                if order == "get":
                    answer = await asyncio.to_thread(get, argument) | {"ended": exporter.returncode}
                elif order == "python":
                    answer = await asyncio.to_thread(python, argument)
                elif order == "writable":
                    answer = writable()
                else:
                    break
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
        finally:
            if exporter.returncode is None:
                exporter.terminate()
        sys.stdout.write(json.dumps({"exit": await exporter.wait()}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
