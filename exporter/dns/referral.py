"""Asks one server which servers it says a zone has: what the parent's side of a delegation is made of.

The rule of this file: a referral (RFC 1034 section 4.3.2) counts as an answer here, and nowhere else. To a stub it says
nothing of the records that it asked for; of a delegation it says everything.
"""

import asyncio
import secrets
import socket
from typing import TYPE_CHECKING

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Status
from exporter.checks.names import DomainName

if TYPE_CHECKING:
    import dns.message

_MAX_OCTETS = 4096


async def delegation(
    zone: DomainName, server: Address, port: int = 53, *, timeout_seconds: float = 2.0, attempts: int = 2
) -> Answer:
    """The NS records that *server* has at *zone*, its own or those of a referral; never raises for what it says.

    Over UDP, and over TCP where that is truncated or nothing came.
    """
    answer = Answer(Status.TIMEOUT)
    where = f"[{server}]:{port}" if server.family == 6 else f"{server}:{port}"
    for attempt in range(attempts + 1):
        ask = _over_tcp if attempt == attempts or answer.status is Status.MALFORMED else _over_udp
        try:
            async with asyncio.timeout(timeout_seconds):
                packet = await ask(_query(zone), server, port)
        except TimeoutError:
            continue
        except (OSError, asyncio.IncompleteReadError):
            answer = Answer(Status.NETWORK)
            continue
        answer = _read(packet, zone, where)
        if answer.status is not Status.MALFORMED:
            return answer
    return answer


def _query(zone: DomainName) -> bytes:
    labels = b"".join([bytes([len(label)]) + label for label in zone.labels])
    return secrets.token_bytes(2) + b"\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\2\0\1"


async def _over_udp(query: bytes, server: Address, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET if server.family == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0)
        await loop.sock_connect(udp, (str(server), port))
        await loop.sock_sendall(udp, query)
        while True:
            packet = await loop.sock_recv(udp, _MAX_OCTETS)
            if _belongs(packet, query):
                return packet


async def _over_tcp(query: bytes, server: Address, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(str(server), port)
    try:
        writer.write(len(query).to_bytes(2) + query)
        packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()
    return packet if _belongs(packet, query) else b""


def _belongs(packet: bytes, query: bytes) -> bool:
    """Whether the packet is a reply with the ID and the question of the query."""
    end = len(query)
    return packet[:2] == query[:2] and packet[2:3] >= b"\x80" and packet[12:end].lower() == query[12:].lower()


def _read(packet: bytes, zone: DomainName, where: str) -> Answer:
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    from exporter.dns.slowpath import read_message  # dnspython takes 0.1 s to import
    from exporter.dns.wire import UnreadableError

    try:
        message = read_message(packet)
    except UnreadableError:
        return Answer(Status.MALFORMED, server=where)
    if message.flags & dns.flags.TC:
        return Answer(Status.MALFORMED, server=where)
    match message.rcode():
        case dns.rcode.NOERROR:
            names = _servers_in(message, zone)
            refers = any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
            # Servers of another zone are a referral that leads elsewhere: nothing is said of this one.
            status = Status.ANSWER if names else Status.REFUSED if refers else Status.NODATA
            return Answer(status, names, server=where)
        case dns.rcode.NXDOMAIN:
            return Answer(Status.NXDOMAIN, server=where)
        case dns.rcode.SERVFAIL:
            return Answer(Status.SERVFAIL, server=where)
        case _:
            return Answer(Status.REFUSED, server=where)


def _servers_in(message: "dns.message.Message", zone: DomainName) -> tuple[DomainName, ...]:
    """The NS records at *zone*, in the answer or, of a referral, in the authority section."""
    import dns.rdatatype

    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.NS and DomainName.from_labels(rrset.name.labels[:-1]) == zone:
                return tuple([DomainName.from_labels(rdata.target.labels[:-1]) for rdata in rrset])
    return ()
