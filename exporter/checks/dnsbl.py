"""Is an address on a DNS-based block list (RFC 5782)?

The rule of this file: only an answer that the list itself stands behind is a listing. A list that fails its test
points, refuses us, or is answered by somebody else says nothing, and nothing is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some

_LOOPBACK = 127
_REFUSING = bytes([127, 255, 255])
_TESTS = {
    # Section 5: IPv4 lists hold 127.0.0.2 and not 127.0.0.1, IPv6 lists the same as IPv4-mapped addresses.
    4: (Address(bytes([127, 0, 0, 2])), Address(bytes([127, 0, 0, 1]))),
    6: (
        Address(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 2])),
        Address(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])),
    ),
}


@dataclass(frozen=True, slots=True)
class Blocklist:
    """A list to ask: its zone, what its return codes mean, and the families that it lists.

    *codes* names return addresses (``127.0.0.4``: ``XBL``); a code that it does not have is shown as the address.
    """

    zone: DomainName
    codes: Mapping[Address, str] = field(default_factory=dict)
    families: tuple[int, ...] = (4, 6)

    def name_of(self, code: Address) -> str:
        """What a return code is called."""
        return self.codes.get(code, str(code))


@dataclass(frozen=True, slots=True)
class ListHealth:
    """Whether a list works as seen from here: None while that is not known.

    *reason* and *sentence* say why it does not, or is not known to.
    """

    zone: DomainName
    family: int
    works: bool | None
    reason: Reason | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says of an address: *codes* by name, and the list's own *texts*, which are the list's and hostile."""

    finding: Finding
    is_listed: bool | None
    codes: tuple[str, ...] = ()
    texts: tuple[bytes, ...] = ()


def query_name(address: Address, zone: DomainName) -> DomainName:
    """The name that a list has an address under: reversed octets, or nibbles (sections 2.1 and 2.4).

    Raises `ValueError` for a zone so long that the name would be too long.
    """
    reverse = address.reverse_name.labels[:-2]
    return DomainName.from_labels([*reverse, *zone.labels])


def list_health(blocklist: Blocklist, family: int) -> Check[ListHealth]:
    """Ask a list for its test points (section 5): the one must be listed, the other must not."""
    zone = blocklist.zone
    listed, not_listed = _TESTS[family]
    questions = [Question(query_name(listed, zone), "A"), Question(query_name(not_listed, zone), "A")]
    first, second = yield questions
    for question, answer in zip(questions, (first, second), strict=True):
        if _refuses(answer):
            sentence = f"{zone} refuses to answer us ({some(answer.addresses)}): nothing is known of any address."
            return ListHealth(zone, family, works=False, reason=Reason.DNSBL_BLOCKED, sentence=sentence)
        if not answer.is_conclusive:
            sentence = f"The {question} lookup got no answer ({answer.status})."
            return ListHealth(zone, family, works=None, reason=Reason.of(answer.status), sentence=sentence)
    if first.status is not Status.ANSWER or not _is_of_a_list(first):
        what = f"is {some(first.addresses)}" if first.addresses else "is not listed"
        sentence = f"{zone} does not work: its test point {listed} {what} (RFC 5782 section 5)."
    elif second.status is Status.ANSWER:
        sentence = (
            f"{zone} lists everything: even its test point {not_listed}, which no list has (RFC 5782 section 5)."
        )
    else:
        return ListHealth(zone, family, works=True)
    return ListHealth(zone, family, works=False, reason=Reason.DNSBL_UNTRUSTED, sentence=sentence)


def dnsbl(check: CheckName, address: Address, blocklist: Blocklist, health: ListHealth | None = None) -> Check[Listing]:
    """Judge whether a list has *address*; the finding's subject is the list's zone.

    *health* is the latest known of the list for the address's family; without one the test points are asked for along.
    """
    zone = blocklist.zone
    question = Question(query_name(address, zone), "A")
    if health is None:
        health = yield from list_health(blocklist, address.family)
    if health.works is not True:
        reason = health.reason or Reason.DNSBL_UNTRUSTED
        sentence = f"Whether {zone} lists {address} is unknown. {health.sentence}".rstrip()
        return Listing(Finding(check, Result.UNKNOWN, zone, reason, sentence), None)
    (answer,) = yield [question]
    if not answer.is_conclusive:
        sentence = f"The {question} lookup got no answer ({answer.status}): whether {zone} lists {address} is unknown."
        return Listing(Finding(check, Result.UNKNOWN, zone, Reason.of(answer.status), sentence), None)
    if answer.status is not Status.ANSWER:
        return Listing(Finding(check, Result.PASS, zone), is_listed=False)
    if _refuses(answer):
        sentence = f"{zone} refuses to say whether it lists {address} ({some(answer.addresses)})."
        return Listing(Finding(check, Result.UNKNOWN, zone, Reason.DNSBL_BLOCKED, sentence), None)
    if not _is_of_a_list(answer):
        sentence = (
            f"The answer for {address} in {zone} is {some(answer.addresses)}, which no list answers: "
            "a resolver in between may rewrite answers."
        )
        return Listing(Finding(check, Result.UNKNOWN, zone, Reason.DNSBL_UNTRUSTED, sentence), None)
    codes = tuple([blocklist.name_of(code) for code in answer.addresses])
    (texts,) = yield [Question(question.name, "TXT")]
    sentence = f"{address} is listed in {zone}: {some(codes)}."
    fix = Fix(f"Find out and end what got {address} listed, then ask {zone} to take it off.", zone=zone)
    finding = Finding(check, Result.FAIL, zone, Reason.DNSBL_LISTED, sentence, fix)
    return Listing(finding, is_listed=True, codes=codes, texts=texts.texts)


def _refuses(answer: Answer) -> bool:
    """Whether a list answers that it will not answer: 127.255.255.x, by convention of the big ones."""
    return any(it.packed[:3] == _REFUSING for it in answer.addresses)


def _is_of_a_list(answer: Answer) -> bool:
    """Whether every address in it is one that lists answer: in 127/8 (section 2.1), but not 127.0.0.1 (section 5)."""
    return all(it.packed[0] == _LOOPBACK and it.packed != bytes([127, 0, 0, 1]) for it in answer.addresses)
