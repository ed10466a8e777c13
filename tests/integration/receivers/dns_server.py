"""A DNS on port 53 of the test's own namespace: it serves one small world at a time, over UDP.

It turns the records round by one with each answer to the same question, as resolvers do, so
that as many connections as there are PTR names see each of them first exactly once.
"""

import asyncio
from collections import Counter

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Question, Record, Status
from exporter.checks.names import DomainName
from tests.factories import World

_TTL = 60
_UNANSWERED = {Status.TIMEOUT, Status.NETWORK}


class DnsServer(asyncio.DatagramProtocol):
    """Answers from whatever `world` holds at the moment."""

    def __init__(self) -> None:
        self.world = World()
        self._asked: Counter[Question] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the socket."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer, or keep silent where the world has an outage."""
        response = self._respond(dns.message.from_wire(data))
        if response is not None and self._transport is not None:
            self._transport.sendto(response.to_wire(), addr)

    def _respond(self, query: dns.message.Message) -> dns.message.Message | None:
        asked = query.question[0]
        name = DomainName.from_labels(asked.name.labels[:-1])
        question = Question(name, dns.rdatatype.to_text(asked.rdtype))  # type: ignore[arg-type]
        answer = self.world(question)
        if answer.status in _UNANSWERED:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if answer.status is Status.REFUSED:
            response.set_rcode(dns.rcode.REFUSED)
        elif not answer.is_conclusive:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif answer.status is Status.NXDOMAIN:
            response.set_rcode(dns.rcode.NXDOMAIN)
        owner = asked.name
        for link in answer.chain:
            response.answer.append(dns.rrset.from_text(owner, _TTL, "IN", "CNAME", f"{link}."))
            owner = dns.name.from_text(link)
        if answer.records:
            turn = self._asked[question] % len(answer.records)
            self._asked[question] += 1
            for record in answer.records[turn:] + answer.records[:turn]:
                # One by one: dnspython shuffles the records of a set.
                response.answer.append(dns.rrset.from_text(owner, _TTL, "IN", question.rdtype, _rdata(record)))
        return response


def _rdata(record: Record) -> str:
    match record:
        case Address():
            return str(record)
        case DomainName():
            return f"{record}." if record != "." else "."
        case MailExchange():
            return f"{record.preference} {_rdata(record.exchange)}"
    raise TypeError(f"{record!r} is not served")
