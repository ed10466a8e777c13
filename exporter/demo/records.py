"""From dnspython's rdata to the records that checks read.

The rule of this file: a type is decoded only if a check can ask for it.
"""

import socket

import dns.rdata
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Record, StartOfAuthority, Text
from exporter.demo.zone import name_of


def decode(rdata: dns.rdata.Rdata) -> Record:
    """The record that this rdata holds. Raises `TypeError` for a type that no check asks for."""
    match rdata:
        case A() | AAAA():
            return Address(socket.inet_pton(socket.AF_INET if isinstance(rdata, A) else socket.AF_INET6, rdata.address))
        case PTR() | CNAME() | NS():
            return name_of(rdata.target)
        case MX():
            return MailExchange(rdata.preference, name_of(rdata.exchange))
        case SOA():
            return StartOfAuthority(name_of(rdata.mname), name_of(rdata.rname), rdata.serial)
        case TXT():
            return Text(b"".join(rdata.strings))
        case _:
            raise TypeError(f"no check asks for {rdata.rdtype.name}")
