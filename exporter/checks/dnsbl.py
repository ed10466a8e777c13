"""Is an address on a DNS-based block list (RFC 5782)?

The result is unknown for a list that fails its test points, refuses our queries, or whose answers somebody rewrites.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status, why_unanswered
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some, unknown

_LOOPBACK = 127
_REFUSING = bytes([127, 255, 255])
_REFUSALS = {
    252: "the name of the list is misspelt or unknown to its servers: correct zone in dnsbls",
    254: "the query came through a public or shared resolver: ask the list through a resolver of your own",
    255: "too many queries came from this address: ask less often, or get a data feed of the list",
}
"""What the last byte of 127.255.255.x means to the lists that use it."""
_TESTS = {
    # Section 5: IPv4 lists have 127.0.0.2 and not 127.0.0.1, IPv6 lists the same as IPv4-mapped addresses.
    4: (Address(bytes([127, 0, 0, 2])), Address(bytes([127, 0, 0, 1]))),
    6: (
        Address(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 2])),
        Address(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])),
    ),
}


@dataclass(frozen=True, slots=True)
class Blocklist:
    """A list: its zone, names for its return addresses (``127.0.0.4``: ``XBL``), and the families that it lists."""

    zone: DomainName
    codes: Mapping[Address, str] = field(default_factory=dict)
    families: tuple[int, ...] = (4, 6)

    def name_of(self, code: Address) -> str:
        """The name of a return address; the address itself if it has none."""
        return self.codes.get(code, str(code))


@dataclass(frozen=True, slots=True)
class ListHealth:
    """Whether a list works as seen from here.

    Attributes:
        zone: The zone of the list.
        family: 4 or 6: a list is tested for each family.
        works: None if that is unknown.
        reason: Why it does not work, or why that is unknown.
        sentence: The same for a person.
    """

    zone: DomainName
    family: int
    works: bool | None
    reason: Reason | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer of a list about an address.

    Attributes:
        finding: The result of the check.
        is_listed: None if that is unknown.
        codes: The names of the returned addresses.
        texts: TXT records of the listing. The list wrote them: do not trust them.
    """

    finding: Finding
    is_listed: bool | None
    codes: tuple[str, ...] = ()
    texts: tuple[bytes, ...] = ()


def query_name(address: Address, zone: DomainName) -> DomainName:
    """The name to look up: reversed bytes or nibbles before the zone (sections 2.1 and 2.4).

    Raises `ValueError` if the name would be too long.
    """
    reverse = address.reverse_name.labels[:-2]
    return DomainName.from_labels([*reverse, *zone.labels])


def list_health(blocklist: Blocklist, family: int) -> Check[ListHealth]:
    """Ask a list for its two test points (section 5): the first must be listed, the second must not."""
    zone = blocklist.zone
    listed, not_listed = _TESTS[family]
    questions = [Question(query_name(listed, zone), "A"), Question(query_name(not_listed, zone), "A")]
    first, second = yield questions
    for question, answer in zip(questions, (first, second), strict=True):
        if _refuses(answer):
            sentence = f"{zone} refuses to answer ({_refusal(answer)}). Nothing is known about any address."
            return ListHealth(zone, family, works=False, reason=Reason.DNSBL_BLOCKED, sentence=sentence)
        if not answer.is_conclusive:
            sentence = f"The {question} lookup got no answer ({why_unanswered(question.name, answer)})."
            return ListHealth(zone, family, works=None, reason=Reason.of(answer.status), sentence=sentence)
    if first.status is not Status.ANSWER or not _is_of_a_list(first):
        what = f"is {some(first.addresses)}" if first.addresses else "is not listed"
        sentence = f"{zone} does not work: its test point {listed} {what} (RFC 5782 section 5)."
    elif second.status is Status.ANSWER:
        sentence = f"{zone} lists everything: even its test point {not_listed}, which no list has (RFC 5782 section 5)."
    else:
        return ListHealth(zone, family, works=True)
    return ListHealth(zone, family, works=False, reason=Reason.DNSBL_UNTRUSTED, sentence=sentence)


def dnsbl(check: CheckName, address: Address, blocklist: Blocklist, health: ListHealth | None = None) -> Check[Listing]:
    """Check whether a list has *address*; the subject of the finding is the zone of the list.

    *health* is the last known state of the list for this family. Without it, the test points are asked for as well.
    """
    zone = blocklist.zone
    question = Question(query_name(address, zone), "A")
    if health is None:
        health = yield from list_health(blocklist, address.family)
    if health.works is not True:
        reason = health.reason or Reason.DNSBL_UNTRUSTED
        sentence = f"Whether {zone} lists {address} is unknown. {health.sentence}".rstrip()
        return Listing(unknown(check, zone, reason, sentence), None)
    (answer,) = yield [question]
    if not answer.is_conclusive:
        why = why_unanswered(question.name, answer)
        sentence = f"The {question} lookup got no answer ({why}): whether {zone} lists {address} is unknown."
        return Listing(unknown(check, zone, Reason.of(answer.status), sentence), None)
    if answer.status is not Status.ANSWER:
        return Listing(Finding(check, Result.PASS, zone), is_listed=False)
    if _refuses(answer):
        sentence = f"{zone} refuses to say whether it lists {address} ({_refusal(answer)})."
        return Listing(Finding(check, Result.UNKNOWN, zone, Reason.DNSBL_BLOCKED, sentence), None)
    if not _is_of_a_list(answer):
        what = f"The answer for {address} in {zone} is {some(answer.addresses)}"
        sentence = f"{what}, which no list answers: a resolver in between may rewrite answers."
        return Listing(Finding(check, Result.UNKNOWN, zone, Reason.DNSBL_UNTRUSTED, sentence), None)
    codes = tuple([blocklist.name_of(code) for code in answer.addresses])
    (texts,) = yield [Question(question.name, "TXT")]
    sentence = f"{address} is listed in {zone}: {some(codes)}."
    fix = Fix(f"Find out and end what got {address} listed, then ask {zone} to take it off.", zone=zone)
    finding = Finding(check, Result.FAIL, zone, Reason.DNSBL_LISTED, sentence, fix)
    return Listing(finding, is_listed=True, codes=codes, texts=texts.texts)


def _refuses(answer: Answer) -> bool:
    """Whether the list refuses to answer: 127.255.255.x, a convention of the large lists."""
    return any(it.packed[:3] == _REFUSING for it in answer.addresses)


def _refusal(answer: Answer) -> str:
    """The return address by which a list refuses to answer, and what it means."""
    code = next(it for it in answer.addresses if it.packed[:3] == _REFUSING)
    meaning = _REFUSALS.get(code.packed[3], "")
    return f"{code}: {meaning}" if meaning else str(code)


def _is_of_a_list(answer: Answer) -> bool:
    """Whether every address is one that a list can answer: in 127/8 (section 2.1), but not 127.0.0.1 (section 5)."""
    return all(it.packed[0] == _LOOPBACK and it.packed != bytes([127, 0, 0, 1]) for it in answer.addresses)
