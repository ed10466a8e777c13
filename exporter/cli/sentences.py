"""What `check` reports, as headlines, paragraphs and sections of bullets that text and Markdown both render.

Text from the DNS is printable ASCII when it leaves this file.
"""

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, error_name
from exporter.checks.domain_report import DomainReport
from exporter.checks.examination import owner_of, spf_fix
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import registrable_domain
from exporter.checks.receivers import ReceiverResult, ReceiverVerdict, by_design
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some
from exporter.checks.zone_cut import ReverseZones, ZoneCut
from exporter.cli.examination import (
    AnyChecked,
    CheckedAddress,
    CheckedDomain,
    CheckedName,
    CheckedPool,
    Overall,
    check_label,
)
from exporter.cli.subjects import Expansions, checked_indices, pools_of
from exporter.cli.trace import Delegation, Trace
from exporter.config.configuration import Configuration
from exporter.config.rules import MAX_POOL_ADDRESSES
from exporter.inventory.expansion import Trouble
from exporter.inventory.pool import Pool
from exporter.views.documents import answer_text, consequences, percentage, printable, rfc3339

_MAX_ADDRESSES = 16
"""How many addresses a line names; JSON has all of them."""

_MAX_RANGES = 8
"""How many ranges a line names; JSON has all of them."""

_SPF_KINDS = {"pass": "good", "temperror": "open", "none": "aside", "neutral": "aside"}


@dataclass(frozen=True, slots=True)
class Bullet:
    """One point of a section.

    Attributes:
        kind: ``good``, ``bad``, ``open`` for unknown, or ``aside`` for what does not count.
        text: The point.
        label: The word before it, like ``fail``.
        details: Sentences that explain it.
        fix: What to publish.
    """

    kind: str
    text: str
    label: str = ""
    details: tuple[str, ...] = ()
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class BulletSection:
    """A heading and the bullets below it."""

    title: str
    bullets: tuple[Bullet, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    """What to change in one zone.

    Attributes:
        zone: The zone and who operates it; "" if unknown.
        records: The lines to publish.
        obsolete: The lines to remove.
    """

    zone: str
    records: tuple[str, ...]
    obsolete: tuple[str, ...]


def headline(one: AnyChecked | CheckedPool) -> str:
    """The outcome in one line."""
    if isinstance(one, CheckedPool):
        return _pool_headline(one)
    about, passed = _about(one)
    match one.overall:
        case Overall.PASS:
            return f"{about}: pass{passed}"
        case Overall.FINDING:
            return f"{about}: FAIL ({', '.join([*one.failing(), *_other_failures(one)])})"
        case _:
            return f"{about}: unknown ({', '.join(one.failing(Result.UNKNOWN)) or 'spf'})"


def _about(one: AnyChecked) -> tuple[str, str]:
    """The subject of a headline, and what follows a pass."""
    if isinstance(one, CheckedDomain):
        return one.job.name, f" ({_domain_checks(one) or 'none'})"
    if isinstance(one, CheckedName):
        return f"Reverse check of HELO {one.job.helo}", f", {'; '.join(it.text for it in _coverage(one))}"
    target = one.job.target
    return f"{target.address}, {', '.join(f'HELO {helo}' for helo in target.helos) or 'no HELO name'}", ""


def _domain_checks(one: CheckedDomain) -> str:
    """The expected checks that were made: without a selector there is no DKIM key to check."""
    return ", ".join(dict.fromkeys([finding.check for finding in one.expected]))


def _unchecked_keys(one: CheckedDomain) -> str:
    """What to do about DKIM keys that are expected, but whose selectors are not known."""
    if CheckName.DKIM not in one.job.expect or one.job.selectors:
        return ""
    how = "add dkim_selectors to the configuration" if one.job.is_configured else "name one with --dkim-selector"
    return f" No DKIM key was checked, because no selector is known: {how}."


def _other_failures(one: AnyChecked) -> Iterator[str]:
    """What fails besides checks."""
    if isinstance(one, CheckedAddress):
        if any(verdict.result not in ("pass", "temperror") for verdict in one.mail_from_verdicts):
            yield "spf of MAIL FROM"
        if any(traced.is_contradictory for traced in one.traces):
            yield "name servers contradict each other"


def _pool_headline(one: CheckedPool) -> str:
    size, ranges = one.pool.size, one.pool.not_enumerable.texts
    source = "" if one.spf is None else f", from the SPF record of {one.spf}"
    line = f"pool {one.pool.name}{source}: {size} address{'' if size == 1 else 'es'}"
    if one.checked < size:
        line += f", of which {one.checked} are checked, drawn from each prefix as in a round"
    if ranges:
        line += f"; too large to enumerate, so left out: {some(ranges, _MAX_RANGES)}"
    return line


def paragraphs(one: AnyChecked | CheckedPool) -> Iterator[str]:
    """What follows the headline: what the subject was checked against; for a pool, what is wrong."""
    if isinstance(one, CheckedAddress) and (special := one.job.target.address.special_use):
        yield f"{one.job.target.address} is {special}, so no receiver sees it: the server is behind NAT."
    match one:
        case CheckedPool():
            yield from [sentence for _, sentence in pool_problems(one)]
        case CheckedDomain(job):
            checks = _domain_checks(one) or "nothing"
            if job.is_configured:
                yield f"Checked against what the configuration expects of it: {checks}.{_unchecked_keys(one)}"
            else:
                yield (
                    f"Not in the configuration, so checked against the default expectations: {checks}."
                    f"{_unchecked_keys(one)}"
                )
        case CheckedAddress(job) | CheckedName(job) if job.pool is not None:
            yield f"Checked against what the pool {job.pool} expects (profile {job.profile})."
        case CheckedAddress(job) | CheckedName(job):
            yield f"Not in a configured pool, so checked against the profile {job.profile}."


def pool_problems(one: CheckedPool) -> Iterator[tuple[Trouble, str]]:
    """What is wrong with the SPF record of a pool, and what to do."""
    terms = ", ".join(one.found.terms) if one.found is not None else ""
    texts = {
        Trouble.UNANSWERED: f"The DNS did not answer for all of {one.spf}, so the addresses of the pool are unknown.",
        Trouble.NO_RECORD: f"{one.spf} has no SPF record: publish one, or write under `spf` the domain whose record "
        "lists the senders.",
        Trouble.PERMERROR: f"The record of {one.spf} has a permanent error; `maildns-exporter check --domain "
        f"{one.spf}` shows which.",
        Trouble.NO_ADDRESSES: f"The record of {one.spf} authorises no address: write under `spf` the domain whose "
        "record lists the senders.",
        Trouble.NOT_ENUMERABLE: f"Not every address that {one.spf} authorises can be enumerated, because some terms "
        f"depend on more than the address: {terms}. The pool has the addresses before those terms; write others under "
        "`addresses`.",
        Trouble.TOO_MANY_ADDRESSES: f"The record of {one.spf} authorises more than {MAX_POOL_ADDRESSES} addresses: "
        "make several pools of the records that it includes.",
    }
    yield from [(trouble, texts[trouble]) for trouble in one.troubles if trouble in texts]


def pools_to_report(configuration: Configuration, pools: Sequence[Pool], found: Expansions) -> Iterator[CheckedPool]:
    """The pools that get a line of their own: those from SPF records, and those that are only checked in part."""
    for settings, pool in zip(configuration.pools, pools, strict=True):
        if settings.spf is not None or pool.plan is not None or pool.not_enumerable.ranges:
            yield CheckedPool(pool, len(checked_indices(pool)), settings.spf, found.get(settings.name))


def spf_notices(configuration: Configuration, found: Expansions) -> Iterator[str]:
    """For each pool from an SPF record a line with what it authorises, and then its problems."""
    for settings, pool in zip(configuration.pools, pools_of(configuration, found), strict=True):
        if settings.spf is not None:
            one = CheckedPool(pool, pool.size, settings.spf, found.get(settings.name))
            yield headline(one)
            yield from paragraphs(one)


def sections(one: AnyChecked | CheckedPool) -> Iterator[BulletSection]:
    """All sections that have bullets, in the order in which they are printed."""
    for title, bullets in _sections(one):
        if found := tuple(bullets):
            yield BulletSection(title, found)


def _sections(one: AnyChecked | CheckedPool) -> Iterator[tuple[str, Iterator[Bullet]]]:
    match one:
        case CheckedDomain():
            yield "Records", _records(one.examination.report)
            yield "Checks", _checks(one)
            yield "Hints", _domain_hints(one.examination.report)
        case CheckedName():
            yield "Addresses", _coverage(one)
            yield "Checks", _checks(one)
        case CheckedAddress():
            yield "Checks", _checks(one)
            yield "SPF", _spf(one)
            for helo, verdicts in zip(one.job.target.helos, one.examination.receivers, strict=True):
                yield f"What receivers say to HELO {helo}", _receivers(verdicts, one.job.expect)
            for name in one.names:
                yield f"Reverse check of HELO {name.job.helo}", _coverage(name, counts=False)
            yield "Hints", (Bullet("aside", hint.sentence) for hint in one.examination.generic_names)
            yield "Operator of the reverse zone", _operators(one.examination.reverse)
            for traced in one.traces:
                yield f"What each server of {traced.zone} answers to {traced.question}", _trace(traced)
                if traced.delegation is not None:
                    title = f"How {_zone_name(traced.delegation.parent)} delegates {traced.zone}"
                    yield title, _delegation(traced.delegation)


def _checks(one: AnyChecked) -> Iterator[Bullet]:
    """The passes in one bullet; then the failures, with equal ones united: expected first, fails before unknowns."""
    findings: Sequence[Finding] = one.examination.report.findings
    passes: dict[str, bool] = {}
    for finding in findings:
        passes[check_label(finding)] = passes.get(check_label(finding), True) and finding.result is Result.PASS
    if passing := [label for label, is_passing in passes.items() if is_passing]:
        yield Bullet("good", ", ".join(passing), "pass")
    expect: Collection[CheckName] = one.job.expect

    def key(finding: Finding) -> tuple[bool, bool, str, str]:
        is_unexpected = finding.check not in expect
        return is_unexpected, finding.result is Result.UNKNOWN, finding.sentence, str(finding.fix)

    follow: Container[object] = one.causes
    wrong = [it for it in findings if it.result is not Result.PASS and (it.check, it.subject) not in follow]
    also = consequences([finding for finding in findings if isinstance(finding, Finding)], one.job.expect)
    order = {key(finding): number for number, finding in reversed(list(enumerate(wrong)))}
    wrong.sort(key=lambda finding: (*key(finding)[:2], order[key(finding)]))
    for (is_unexpected, is_unknown, *_), group in groupby(wrong, key):
        equal = list(group)
        labels = ", ".join(dict.fromkeys(map(check_label, equal)))
        kind = "open" if is_unknown else "aside" if is_unexpected else "bad"
        text = f"{labels} ({equal[0].reason or ''}{', not expected to pass' if is_unexpected else ''})"
        fix = None if is_unexpected else equal[0].fix
        label = "hint" if is_unexpected and not is_unknown else equal[0].result.value
        bogus = _bogus_zones(one) if equal[0].reason is Reason.DNSSEC_BOGUS else ()
        sentences = [
            equal[0].sentence,
            *bogus,
            *[also[slot] for it in equal if (slot := (it.check, it.subject)) in also],
        ]
        yield Bullet(kind, text, label, tuple(map(printable, dict.fromkeys(sentences))), fix)


def _bogus_zones(one: AnyChecked) -> Iterator[str]:
    cuts = list(one.examination.zones.values())
    if isinstance(one, CheckedAddress):
        cuts.append(one.examination.reverse.cut)
    for zone in dict.fromkeys([cut.bogus_zone for cut in cuts if cut.bogus_zone is not None]):
        yield f"The zone that fails DNSSEC validation is {zone}."


def _spf(one: CheckedAddress) -> Iterator[Bullet]:
    for verdict in dict.fromkeys(verdict for several in one.examination.spf for verdict in several):
        kind = _SPF_KINDS.get(verdict.result, "bad")
        if verdict.identity == "mailfrom" and kind == "aside":
            kind = "bad"
        text = f"{verdict.identity} {printable(verdict.domain)}: {verdict.result}, {printable(verdict.outcome.why)}."
        fix = spf_fix(one.job.target, verdict)
        yield Bullet(kind, text, fix=None if fix is None or one.is_fixed_by_finding(fix) else fix)


def _receivers(verdicts: Sequence[ReceiverVerdict], expect: Collection[CheckName]) -> Iterator[Bullet]:
    """The receivers that refuse, those that do so by design after the others; then the unknown and the accepting."""
    accepting, unknown, designed = [], [], []
    for verdict in verdicts:
        is_by_design = by_design(verdict, expect)
        word = _receiver_word(verdict) + (", by design" if is_by_design else "")
        if verdict.result is ReceiverResult.ACCEPT:
            accepting.append(verdict.receiver)
        elif not verdict.is_conclusive:
            unknown.append(f"{verdict.receiver} ({word})")
        elif is_by_design:
            why = f"{verdict.why} Nothing that is expected here would satisfy it."
            designed.append(Bullet("aside", f"{word}. {why}", verdict.receiver))
        else:
            yield Bullet("bad", f"{word}. {verdict.why}", verdict.receiver)
    yield from designed
    if unknown:
        yield Bullet("open", ", ".join(unknown), "refuse while the DNS does not answer")
    if accepting:
        yield Bullet("good", ", ".join(accepting), "accept")


def _receiver_word(verdict: ReceiverVerdict) -> str:
    code = f" {verdict.code}" if verdict.code else ""
    share = f" ({verdict.share:.0%} accepted)" if 0 < verdict.share < 1 else ""
    return f"{verdict.result}{code}{share}"


def _coverage(one: CheckedName, *, counts: bool = True) -> Iterator[Bullet]:
    """The addresses of a HELO name by outcome; a failure is ``bad`` only if it *counts* as one of the subject."""
    found, scope = one.examination.report, one.job.scope
    size = len(found.addresses)
    if not size:
        if counts:
            yield Bullet("aside", "it has no addresses" if found.is_complete else "its addresses are unknown")
        return
    if found.confirmed:
        which = "its one address" if size == 1 else f"{len(found.confirmed)} of its {size} addresses"
        yield Bullet("good", f"forward-confirmed: {which}")
    if found.unconfirmed:
        kind = "bad" if counts and CheckName.FCRDNS in one.job.expect else "aside"
        yield Bullet(kind, f"not forward-confirmed: {_listed(found.unconfirmed)}")
    if found.unknown:
        yield Bullet("open", f"unknown: {_listed(found.unknown)}")
    if found.unfollowed:
        yield Bullet("aside", f"not checked: {len(found.unfollowed)} more")
    if scope is not None:
        covered = f"{one.inside} of the {scope.size} addresses" if scope.size != 1 else f"{one.inside} of 1 address"
        share = percentage(one.inside, scope.size)
        yield Bullet("good" if one.inside else "aside", f"it covers {covered} of the pool {scope.pool} ({share})")
        if found.outside:
            yield Bullet("aside", f"outside the pool: {_listed(found.outside)}")


def _listed(addresses: Collection[Address]) -> str:
    return some(list(addresses), _MAX_ADDRESSES)


def _operators(zones: ReverseZones) -> Iterator[Bullet]:
    yield Bullet("aside", f"{zones.owner} is in {_zone_text(zones.cut)}.")
    if zones.delegating is not None:
        is_same = zones.cut.is_certain and zones.delegating.zone == zones.cut.zone
        zone = "the same zone" if is_same else _zone_text(zones.delegating)
        yield Bullet("aside", f"{zones.address.reverse_name} has a CNAME to it (RFC 2317), and is in {zone}.")


def _trace(traced: Trace) -> Iterator[Bullet]:
    for server in traced.servers:
        serial = f", serial {server.serial}" if server.serial is not None else ""
        kind = "good" if server.answer.is_conclusive else "open"
        details = tuple(_error_texts(server.answer))
        yield Bullet(kind, f"{server}: {answer_text(server.answer)}{serial}", details=details)
    if not traced.servers:
        yield Bullet("open", "Its name servers are unknown.")
    elif not traced.differences:
        yield Bullet("good", "All servers give the same answer.")
    yield from [Bullet("bad", sentence) for sentence in traced.differences]


def _delegation(delegation: Delegation) -> Iterator[Bullet]:
    for server in delegation.servers:
        kind = "good" if server.answer.is_conclusive else "open"
        yield Bullet(kind, f"{server}: {answer_text(server.answer)}")
    yield from [Bullet("bad", sentence) for sentence in delegation.differences]
    if delegation.names and not delegation.differences:
        yield Bullet("good", "These are the servers that the zone itself lists.")


def _records(found: DomainReport) -> Iterator[Bullet]:
    """What is published, a bullet for each record."""
    yield from [Bullet("aside", printable(line)) for line in _record_lines(found)]


def _record_lines(found: DomainReport) -> Iterator[str]:
    spf = found.spf
    if spf.records:
        yield (
            f"spf: {spf.lookups} of {spf.limits.lookups} lookups, {spf.void_lookups} of {spf.limits.void_lookups} void "
            f"lookups; {spf.authorised4:,} IPv4 and {_count(spf.authorised6)} IPv6 addresses pass"
        )
        if spf.compiled.open_terms:
            yield f"spf: some results need an evaluation: {', '.join(map(str, spf.compiled.open_terms))}"
    for key in found.dkim:
        if key.key_type:
            bits = f", {key.bits} bits" if key.bits else ""
            yield f"dkim {key.finding.subject}: {key.key_type}{bits}" + ", revoked" * key.is_revoked
    dmarc = found.dmarc
    if dmarc.policy is not None:
        testing = f" (in test mode, so {dmarc.effective_policy})" if dmarc.is_testing else ""
        below = f", subdomains {dmarc.subdomain_policy}" if dmarc.subdomain_policy is not None else ""
        yield f"dmarc: {dmarc.policy}{testing}{below}, from {dmarc.record_domain}"
    if found.mx.is_null:
        yield "mx: accepts no mail"
    elif found.mx.hosts:
        yield f"mx: {', '.join(found.mx.hosts)}"


def _count(count: int) -> str:
    return f"{count:,}" if count < 1 << 40 else f"2^{count.bit_length() - 1} or more"


def _domain_hints(found: DomainReport) -> Iterator[Bullet]:
    for hint in found.hints:
        yield Bullet("aside", f"{hint.check} ({hint.reason})", details=(printable(hint.sentence),), fix=hint.fix)


def publications(one: AnyChecked, fix: Fix) -> Iterator[Publication]:
    """The records of a fix, grouped by the zone in which they have to be changed."""
    zones = one.examination.zones

    def zone_of(line: str) -> str:
        cut = zones.get(owner_of(line))
        return "" if cut is None else _zone_text(cut)

    for zone, lines in groupby(fix.records, zone_of):
        records = tuple(lines)
        owners = {owner_of(line) for line in records}
        yield Publication(zone, records, tuple(line for line in fix.replaces if owner_of(line) in owners))
    if not fix.records and fix.replaces:
        yield Publication(zone_of(fix.replaces[0]), (), fix.replaces)


def _zone_text(cut: ZoneCut) -> str:
    """The zone, who operates it, and its name servers."""
    if cut.zone is None:
        unanswered = f" ({cut.unanswered[0]}: {cut.unanswered[1]})" if cut.unanswered is not None else ""
        return f"a zone that could not be found{unanswered}"
    operator = cut.mailbox or (f"RNAME {cut.soa.rname}" if cut.soa is not None else "")
    servers = f", on {', '.join(cut.servers)}" if cut.servers else ""
    zone = _zone_name(cut.zone)
    if cut.unanswered is not None:
        name, status = cut.unanswered
        zone = f"a zone that does not answer ({name}: {status}), below {zone}"
    elif not cut.is_delegated:
        domain = registrable_domain(cut.name) or cut.name
        zone = f"a zone that does not exist yet: {domain} is not delegated by {zone}"
    return f"{zone}, operated by {operator}{servers}"


def _zone_name(zone: DomainName) -> str:
    return "the root zone" if zone == "." else f"the zone {zone}"


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """A question and its answer; *source* is its TTL and server, *errors* are Extended DNS Errors (RFC 8914)."""

    text: str
    source: str
    errors: tuple[str, ...]


def evidence_lines(one: CheckedAddress | CheckedDomain) -> list[EvidenceLine]:
    """The answers that matter: of the search for a zone cut only the last ones, and those with errors."""
    zones = {cut.zone for cut in one.examination.zones.values()}
    if isinstance(one, CheckedAddress):
        reverse = one.examination.reverse
        zones |= {cut.zone for cut in (reverse.cut, reverse.delegating) if cut is not None}
    return [
        EvidenceLine(f"{question}: {answer_text(answer)}", _source_text(answer), tuple(_error_texts(answer)))
        for question, answer in one.evidence.items()
        if question.rdtype not in ("SOA", "NS") or answer.errors or question.name in zones
    ]


def _source_text(answer: Answer) -> str:
    ttl = f"TTL {answer.ttl}" if answer.is_conclusive else ""
    return ", ".join(filter(None, [ttl, printable(answer.server)]))


def _error_texts(answer: Answer) -> Iterator[str]:
    for error in answer.errors:
        text = f": {printable(error.text)}" if error.text else ""
        yield f"extended DNS error {error.code} ({error_name(error)}){text}"


def evidence_time(evidence: Mapping[Question, Answer]) -> str:
    """The time of the last answer; "" if there is none."""
    return rfc3339(max((answer.asked_at for answer in evidence.values()), default=0.0)) or ""


def drawn_summary(pool: str, size: int, counts: Mapping[Overall, int]) -> str:
    """How many of the addresses drawn from *pool* have which outcome."""
    total, failing = sum(counts.values()), counts.get(Overall.FINDING, 0)
    texts = [f"{counts.get(overall, 0)} {word}" for overall, word in _OUTCOMES]
    share = f" ({percentage(failing, total)})" if failing else ""
    return f"pool {pool}: {total:,} of {size:,} addresses checked: {', '.join(texts)}{share}."


_OUTCOMES = ((Overall.PASS, "pass"), (Overall.FINDING, "fail"), (Overall.INCONCLUSIVE, "unknown"))


def summary(counts: Callable[[type], Mapping[Overall, int]]) -> str:
    """How many addresses, reverse checks and domains have which outcome; *counts* gives these numbers by class."""
    kinds = [
        (CheckedAddress, "address", "addresses"),
        (CheckedName, "reverse check of a HELO name", "reverse checks of HELO names"),
        (CheckedDomain, "domain", "domains"),
    ]
    lines = []
    for kind, singular, plural in kinds:
        numbers = counts(kind)
        total = sum(numbers.values())
        if total or (kind is CheckedAddress and not counts(CheckedDomain)):
            texts = [f"{numbers.get(overall, 0)} {word}" for overall, word in _OUTCOMES]
            lines.append(f"{total} {singular if total == 1 else plural}: {', '.join(texts)}.")
    return "\n".join(lines)
