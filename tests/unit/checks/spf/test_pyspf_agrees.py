"""Two other implementations of RFC 7208 judge the same worlds: pyspf and spftrace.

Both ask our world in place of a DNS. Neither shares a line with us, so where they agree with us, it is the RFC.
"""

import asyncio
import warnings

import pytest
from hypothesis import given
from spftrace import BaseResolver, Evaluator
from spftrace import Limits as SpfTraceLimits

from exporter.checks.answers import Question, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.spf.evaluate import spf
from exporter.checks.spf.results import Limits
from tests.unit.checks.spf.worlds import DOMAINS, spf_clients, spf_worlds

with warnings.catch_warnings():  # its source has escapes that Python warns of, when it is compiled for the first time
    warnings.simplefilter("ignore")
    import spf as pyspf

NO_VOID_LIMIT = 10_000
"""Void lookups are counted differently by everybody: pyspf asks for hosts that no longer matter, spftrace counts a
repeated question once and a null MX too. The official suite holds us to the limit; here, nobody has one."""


def answer(world, name, rdtype):
    """What the world says, for a name as another program writes it; None for one that it should not have asked for."""
    try:
        asked = DomainName.from_labels([label.encode() for label in name.removesuffix(".").split(".")])
    except ValueError:
        return None
    return world(Question(asked, rdtype))


def ours(world, client):
    """Our result, all limits but that of void lookups included."""
    limits = Limits(void_lookups=NO_VOID_LIMIT)
    return run_check(spf(client, "mailfrom", DOMAINS[0], limits=limits), world)[0].result


def includes_itself(world):
    """Whether a record names its own domain in an include, which RFC 7208 leaves to the limit of lookups."""
    texts = {domain: answer(world, domain, "TXT").texts for domain in DOMAINS}
    return any(f"include:{domain}".encode() in text for domain, known in texts.items() for text in known)


@pytest.fixture(scope="module")
def pyspf_asks():
    """Lets pyspf ask a world."""
    world_of = {}

    def lookup(name, qtype, strict=True, timeout=None):
        helo = None if qtype == "SPF" else answer(world_of["now"], name, qtype)
        for record in helo.records if helo else ():
            match qtype:
                case "TXT":
                    yield (name, qtype), (record.joined,)
                case "MX":
                    yield (name, qtype), (record.preference, str(record.exchange).removesuffix("."))
                case "AAAA":
                    yield (name, qtype), record.packed
                case _:
                    yield (name, qtype), str(record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyspf, "DNSLookup", lookup)
        patch.setattr(pyspf, "MAX_VOID_LOOKUPS", NO_VOID_LIMIT)
        yield world_of


@given(spf_worlds(), spf_clients)
def test_pyspf_agrees(pyspf_asks, world, client):
    """Pyspf comes to our result; but a record that includes itself is a permerror to it, evaluated that far or not."""
    pyspf_asks["now"] = world
    theirs = pyspf.query(i=str(client), s=f"postmaster@{DOMAINS[0]}", h=DOMAINS[0], strict=True).check()[0]

    assert theirs == ours(world, client) or (theirs == "permerror" and includes_itself(world))


class Asks(BaseResolver):
    """Lets spftrace ask a world."""

    def __init__(self, world):
        self.world = world

    async def _lookup(self, name, rtype):
        helo = answer(self.world, name, rtype)
        if helo is None or helo.status is not Status.ANSWER:
            return ("NXDOMAIN" if helo is None or helo.status is Status.NXDOMAIN else "NOERROR"), []
        if rtype == "TXT":
            return "NOERROR", [text.decode("utf-8", "replace") for text in helo.texts]
        if rtype == "MX":
            return "NOERROR", [str(it.exchange).removesuffix(".") for it in helo.exchanges]
        return "NOERROR", [str(record) for record in helo.records]


@given(spf_worlds(), spf_clients)
def test_spftrace_agrees(world, client):
    """Spftrace comes to our result."""
    evaluator = Evaluator(Asks(world), SpfTraceLimits(max_void=NO_VOID_LIMIT))
    evaluation = evaluator.evaluate(str(client), f"postmaster@{DOMAINS[0]}", DOMAINS[0])

    assert asyncio.run(evaluation).verdict == ours(world, client)
