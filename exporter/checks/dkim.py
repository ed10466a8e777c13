"""Is a DKIM key record fit to verify with (RFC 6376 section 3.6, RFC 8463, RFC 8301)?

The rule of this file: it judges the record that verifiers will see at the end of the CNAME chain, and says at which end
of the chain the fault is; selectors are often delegated.
"""

import binascii
import re
from dataclasses import dataclass, replace

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.der import is_ed25519_info, rsa_key
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.names import DomainName
from exporter.checks.tags import Tags, clip, parse_tags
from exporter.checks.verdicts import Mend, Result
from exporter.checks.zone_lines import txt_line

_CHECK = DomainCheckName.DKIM
_MIN_BITS = 1024  # RFC 8301 section 3.2: verifiers reject less
_GOOD_BITS = 2048
_ED25519_OCTETS = 32
_WHITE = re.compile(r"[ \t\r\n]+")
_NEW_KEY = "Make a new RSA key pair of 2048 bits, and publish its public key under a new selector."


@dataclass(frozen=True, slots=True)
class DkimReport:
    """What one selector of a domain came to.

    *key_type* is ``rsa`` or ``ed25519``, "" where there is no key to tell; *bits* is the size of the key, None where
    it cannot be read. *chain* is the CNAME chain to the record. *is_revoked* and *is_testing* are what it says.
    """

    name: DomainName
    finding: DomainFinding
    hints: tuple[Hint, ...] = ()
    key_type: str = ""
    bits: int | None = None
    is_revoked: bool = False
    is_testing: bool = False
    chain: tuple[DomainName, ...] = ()
    record: bytes = b""


def key_name(selector: str, domain: DomainName) -> DomainName:
    """The name of a selector's key record. Raises `ValueError` for a selector that cannot be in the DNS."""
    return DomainName(f"{selector}._domainkey.{domain}")


def dkim(selector: str, domain: DomainName) -> Check[DkimReport]:
    """Judge the key record of one selector; the finding's subject is the selector."""
    name = key_name(selector, domain)
    question = Question(name, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return DkimReport(name, unanswered(_CHECK, selector, question, answer))
    judged = _Judge(selector, name, answer)
    return replace(judged.report(), chain=answer.chain)


@dataclass(frozen=True, slots=True)
class _Judge:
    """One selector's answer, on its way to a report."""

    selector: str
    name: DomainName
    answer: Answer

    @property
    def owner(self) -> DomainName:
        return self.answer.chain[-1] if self.answer.chain else self.name

    def report(self) -> DkimReport:
        if self.answer.status is not Status.ANSWER:
            return DkimReport(self.name, self._missing())
        records = self._records()
        if len(records) != 1:
            return DkimReport(self.name, self._not_one(records))
        tags = parse_tags(records[0])
        report = replace(self._of_tags(tags), record=records[0])
        if "y" not in _list(tags.get("t")):
            return report
        sentence = f"The DKIM key {self.selector} is in test mode (t=y): verifiers treat its mail as if unsigned."
        mend = Mend("Publish the record without the y flag.", self.owner, *self._rewritten(tags, "t", "y"))
        return replace(
            report, is_testing=True, hints=(*report.hints, self._hint(DomainReason.DKIM_TESTING, sentence, mend))
        )

    def _records(self) -> tuple[bytes, ...]:
        """The key records: all TXT records, unless some of several are plainly something else."""
        texts = self.answer.texts
        keys = tuple([text for text in texts if "p" in parse_tags(text)])
        return keys if keys and len(texts) > 1 else texts

    def _missing(self) -> DomainFinding:
        nowhere = "does not exist" if self.answer.status is Status.NXDOMAIN else "has no TXT record"
        if self.answer.chain:
            sentence = (
                f"The DKIM selector {self.selector} dangles: the CNAME of {self.name} leads to {self.owner}, "
                f"which {nowhere}."
            )
            advice = f"Have {self.owner} published by whoever runs it, or point the CNAME at a key that exists."
            return self._fails(DomainReason.DKIM_DANGLING, sentence, Mend(advice, self.name))
        sentence = f"The DKIM selector {self.selector} has no key: {self.name} {nowhere}."
        return self._fails(
            DomainReason.DKIM_MISSING, sentence, Mend("Publish the public key of the signing server.", self.name)
        )

    def _not_one(self, records: tuple[bytes, ...]) -> DomainFinding:
        sentence = f"{self.owner} has {len(records)} key records; which of them a verifier takes is undefined."
        lines = tuple([txt_line(self.owner, record) for record in records])
        advice = "Keep only the record of the key that signs: take the lines below out unless one of them is that key."
        return self._fails(DomainReason.DKIM_SEVERAL_RECORDS, sentence, Mend(advice, self.owner, replaces=lines[1:]))

    def _of_tags(self, tags: Tags) -> DkimReport:
        problem = tags.problem
        if not problem and "v" in tags and (tags.get("v") != "DKIM1" or tags.pairs[0][0] != "v"):
            problem = "v=DKIM1 has to come first, spelled so"
        if not problem and "p" not in tags:
            problem = "there is no p= with the key"
        if problem:
            sentence = f"The DKIM record at {self.owner} cannot be read: {problem}."
            return self._failed(
                DomainReason.DKIM_SYNTAX, sentence, "Publish the record as the signing server gives it."
            )
        kind = tags.get("k", "rsa")
        if kind not in {"rsa", "ed25519"}:
            sentence = f"The DKIM key {self.selector} is of a type that verifiers do not know: k={clip(kind)}."
            return self._failed(DomainReason.DKIM_KEY_TYPE, sentence, _NEW_KEY)
        key = _WHITE.sub("", tags.get("p"))
        if not key:
            sentence = f"The DKIM key {self.selector} is revoked: its p= is empty, so that its signatures fail."
            advice = "Sign with another key, and take the selector out of the configuration once nothing signs with it."
            return replace(self._failed(DomainReason.DKIM_REVOKED, sentence, advice), key_type=kind, is_revoked=True)
        services = _list(tags.get("s", "*"))
        if not services & {"*", "email"}:
            sentence = f"The DKIM key {self.selector} is not for email: s={clip(tags.get('s'))}."
            mend = Mend("Publish the record without s=.", self.owner, *self._rewritten(tags, "s", ""))
            return DkimReport(self.name, self._fails(DomainReason.DKIM_NOT_FOR_EMAIL, sentence, mend), key_type=kind)
        return replace(self._of_key(kind, key, tags), key_type=kind)

    def _of_key(self, kind: str, key: str, tags: Tags) -> DkimReport:
        try:
            octets = binascii.a2b_base64(key.encode(), strict_mode=True)
        except ValueError:
            return self._unreadable("p= is not base64, or was cut short")
        hints = []
        if kind == "ed25519":
            if len(octets) != _ED25519_OCTETS:
                what = "it is wrapped in a SubjectPublicKeyInfo" if is_ed25519_info(octets) else f"{len(octets)} octets"
                return self._unreadable(f"an Ed25519 key is its 32 octets as they are, and here {what}")
            bits = 8 * len(octets)
        else:
            rsa = rsa_key(octets)
            if rsa is None:
                return self._unreadable("p= is no RSA public key")
            bits = rsa.bits
            if bits < _MIN_BITS:
                sentence = (
                    f"The DKIM key {self.selector} has {bits} bits; verifiers reject keys under {_MIN_BITS} (RFC 8301)."
                )
                return replace(self._failed(DomainReason.DKIM_KEY_WEAK, sentence, _NEW_KEY), bits=bits)
            if bits < _GOOD_BITS:
                sentence = f"The DKIM key {self.selector} has {bits} bits; {_GOOD_BITS} are advised (RFC 8301)."
                hints.append(self._hint(DomainReason.DKIM_KEY_SHORT, sentence, Mend(_NEW_KEY, self.owner)))
        hashes = _list(tags.get("h"))
        if hashes and "sha256" not in hashes:
            sentence = f"The DKIM key {self.selector} allows only h={clip(tags.get('h'))}, and verifiers want sha256."
            mend = Mend("Publish the record without h=.", self.owner, *self._rewritten(tags, "h", ""))
            return DkimReport(self.name, self._fails(DomainReason.DKIM_NO_SHA256, sentence, mend), bits=bits)
        return DkimReport(self.name, DomainFinding(_CHECK, Result.PASS, self.selector), tuple(hints), bits=bits)

    def _rewritten(self, tags: Tags, name: str, value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The record without a value of a tag, or without the tag; and the record as it is."""
        pairs = []
        for tag, held in tags.pairs:
            if tag == name:
                left = [it for it in re.split(r"\s*:\s*", held) if it != value] if value else []
                if left:
                    pairs.append((tag, ":".join(left)))
            else:
                pairs.append((tag, _WHITE.sub("", held) if tag == "p" else held))
        text = "; ".join([f"{tag}={held}" for tag, held in pairs]).encode("ascii", "replace")
        return (txt_line(self.owner, text),), tuple([txt_line(self.owner, record) for record in self._records()])

    def _unreadable(self, why: str) -> DkimReport:
        sentence = f"The DKIM key {self.selector} cannot be read: {why}."
        return self._failed(
            DomainReason.DKIM_KEY_UNREADABLE, sentence, "Publish the key as the signing server gives it."
        )

    def _failed(self, reason: DomainReason, sentence: str, advice: str) -> DkimReport:
        return DkimReport(self.name, self._fails(reason, sentence, Mend(advice, self.owner)))

    def _fails(self, reason: DomainReason, sentence: str, mend: Mend) -> DomainFinding:
        return DomainFinding(_CHECK, Result.FAIL, self.selector, reason, sentence, mend)

    def _hint(self, reason: DomainReason, sentence: str, mend: Mend) -> Hint:
        return Hint(_CHECK, self.selector, reason, sentence, mend)


def _list(value: str) -> set[str]:
    """The parts of a colon-separated value."""
    return {part.strip() for part in value.split(":") if part.strip()}
