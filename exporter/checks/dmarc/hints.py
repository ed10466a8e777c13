"""What works in a DMARC record and could be better (RFC 9989 sections 4.7, 5.1 and 9.3).

The rule of this file: nothing here is a fault; each hint says what receivers make of the record as it stands.
"""

from collections.abc import Iterator, Mapping

from exporter.checks.dmarc.record import Policy
from exporter.checks.dmarc.walk import Found, record_name
from exporter.checks.domain import DomainCheckName, DomainReason, Hint
from exporter.checks.names import DomainName
from exporter.checks.tags import clip, parse_tags
from exporter.checks.verdicts import Mend, some
from exporter.checks.zone_lines import txt_line

_CHECK = DomainCheckName.DMARC


def rewritten(advice: str, found: Found, changes: Mapping[str, str | None]) -> Mend:
    """Publish the record with these tags changed, or without those that are None."""
    owner = record_name(found.domain) or found.domain
    held = dict(parse_tags(found.record.text).pairs)
    version = held.pop("v")
    tags = {"v": version, **({"p": changes["p"]} if "p" in changes else {}), **held, **changes}
    text = "; ".join([f"{name}={value}" for name, value in tags.items() if value is not None])
    old = (txt_line(owner, found.record.text),)
    return Mend(advice, owner, (txt_line(owner, text.encode("ascii", "replace")),), old)


def dmarc_hints(domain: DomainName, found: Found) -> Iterator[Hint]:
    """Every hint about the record that counts for *domain*."""
    record, where = found.record, found.domain
    held = parse_tags(record.text)

    def hint(reason: DomainReason, sentence: str, mend: Mend | None = None) -> Hint:
        return Hint(_CHECK, domain, reason, sentence, mend)

    if record.is_applied and record.own is Policy.NONE and not record.bad_policies:
        sentence = f"The DMARC policy of {where} is none: receivers report, and let everything through."
        mend = rewritten("Ask for more once the reports show that your own mail passes.", found, {"p": "quarantine"})
        yield hint(DomainReason.DMARC_MONITORING, sentence, mend)
    if record.testing and record.own is not Policy.NONE:
        sentence = (
            f"The DMARC policy of {where} is in test mode (t=y): receivers apply one level less than {record.own}."
        )
        yield hint(DomainReason.DMARC_TESTING, sentence, rewritten("Take t=y out.", found, {"t": None}))
    weaker = [
        f"{name}={policy}"
        for name, policy in (("sp", record.subdomains), ("np", record.nonexistent))
        if policy.strength < record.own.strength
    ]
    if weaker:
        sentence = (
            f"The DMARC policy of {where} is weaker for names below it: {', '.join(weaker)}, with p={record.own}."
        )
        changes = {it.partition("=")[0]: None for it in weaker}
        mend = rewritten("Take them out, so that p counts for all of them.", found, changes)
        yield hint(DomainReason.DMARC_WEAKER_SUBDOMAINS, sentence, mend)
    if record.historic or record.obsolete_sizes:
        what = some([*[f"{name}=" for name in record.historic], *map(clip, record.obsolete_sizes)])
        sentence = f"The DMARC record of {where} has what receivers no longer read (RFC 9989): {what}."
        sized = {name for name in ("rua", "ruf") if "!" in held.get(name)}
        changes = dict.fromkeys(record.historic) | {name: ",".join(getattr(record, name)) or None for name in sized}
        yield hint(DomainReason.DMARC_HISTORIC_TAG, sentence, rewritten("Take it out.", found, changes))
    if record.bad_tags:
        sentence = (
            f"The DMARC record of {where} has what receivers cannot read and ignore: {clip(some(record.bad_tags))}."
        )
        yield hint(DomainReason.DMARC_BAD_TAG, sentence)
    if not record.rua:
        sentence = f"The DMARC record of {where} asks for no reports (rua=), so nobody hears who sends in its name."
        yield hint(DomainReason.DMARC_NO_REPORTS, sentence)
