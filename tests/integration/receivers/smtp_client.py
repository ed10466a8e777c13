"""A client that says EHLO, MAIL and RCPT, and leaves.

It reports the first reply of class 4 or 5, which is what a real client would act on.
"""

import asyncio

_SECONDS = 300
ACCEPTED = "250"


async def first_refusal(source: str, address: str, port: int, helo: str, recipient: str) -> str:
    """Connect from *source* and return the first reply that refuses, or ``250`` if none of them does."""
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(address, port, local_addr=(source, 0))
        try:
            commands = [f"EHLO {helo}", "MAIL FROM:<>", f"RCPT TO:<{recipient}>"]
            reply = await _reply(reader)
            for command in commands:
                if reply[0] in "45":
                    return reply
                writer.write(f"{command}\r\n".encode())
                reply = await _reply(reader)
            return reply if reply[0] in "45" else ACCEPTED
        finally:
            writer.close()


async def _reply(reader: asyncio.StreamReader) -> str:
    """Read a reply to its last line, and return that."""
    while True:
        line = (await reader.readline()).decode(errors="replace").rstrip()
        if not line:
            raise ConnectionError("the server hung up")
        if line[3:4] != "-":
            return line
