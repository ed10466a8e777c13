"""A DNS server in a process of its own that knows every address of 10.0.0.0/8: ``python -m tests.soak.nameserver``.

An answer follows from the question, so that half a million addresses take no memory. It prints
its port, and serves until it is ended.
"""

import re
import socket
import struct

_REVERSE = re.compile(r"(\d+)\.(\d+)\.(\d+)\.10\.in-addr\.arpa")
_FORWARD = re.compile(r"mta-10-(\d+)-(\d+)-(\d+)\.example\.org")
_ROOT_NS = b"\0"
_TTL_SECONDS = 300


def answer(wire: bytes) -> bytes:
    """The reply to a query."""
    labels, at = [], 12
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("latin-1"))
        at += 1 + wire[at]
    name, end = ".".join(labels).lower(), at + 5
    (rdtype,) = struct.unpack_from(">H", wire, at + 1)
    reverse, forward = _REVERSE.fullmatch(name), _FORWARD.fullmatch(name)
    rdata, known = b"", bool(reverse or forward) or name in {"", "example.org"}
    if reverse and rdtype == 12:
        host = f"mta-10-{reverse[3]}-{reverse[2]}-{reverse[1]}".encode()
        rdata = bytes([len(host)]) + host + b"\7example\3org\0"
    elif forward and rdtype == 1:
        rdata = bytes([10, *map(int, forward.groups())])
    elif not name and rdtype == 2:
        rdata = _ROOT_NS
    record = struct.pack(">HHHIH", 0xC00C, rdtype, 1, _TTL_SECONDS, len(rdata)) + rdata if rdata else b""
    flags = 0x8580 if known else 0x8583
    return wire[:2] + struct.pack(">HHHHH", flags, 1, bool(rdata), 0, 0) + wire[12:end] + record


def main() -> None:
    """Serve."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.bind(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)  # that is how its port is known
        while True:
            wire, client = server.recvfrom(4096)
            server.sendto(answer(wire), client)


if __name__ == "__main__":
    main()
