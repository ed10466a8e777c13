"""Is a DKIM key record fit to verify with (RFC 6376 section 3.6, RFC 8463, RFC 8301)?

The rule of this file: it judges the record that verifiers will see at the end of the CNAME chain, and says at which end
of the chain the fault is; selectors are often delegated.
"""

import binascii
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, unanswered
from exporter.checks.names import DomainName
from exporter.checks.result import Fix, Result
from exporter.checks.txt_records import Tags, clip, parse_tags, txt_line

# SECTION exporter.checks.der
# A reader of DER (X.690), as far as public keys need it.
#
# The rule of this file: it never reads past what it was given, and returns None for anything that is not
# exactly right.

SEQUENCE, INTEGER, BIT_STRING, OBJECT_IDENTIFIER, NULL = 0x30, 0x02, 0x03, 0x06, 0x05

_RSA = bytes.fromhex("2a864886f70d010101")  # 1.2.840.113549.1.1.1, RFC 8017 appendix C
_ED25519 = bytes.fromhex("2b6570")  # 1.3.101.112, RFC 8410 section 3


class Value(NamedTuple):
    """One type-length-value: its tag, its content, and what follows it."""

    tag: int
    content: bytes
    rest: bytes


class RsaKey(NamedTuple):
    """An RSA public key: the size of its modulus, and its exponent."""

    bits: int
    exponent: int


def read(octets: bytes) -> Value | None:
    """Read the first value of *octets*; None if it is none, or longer than they are."""
    if len(octets) < 2:
        return None
    tag, first = octets[0], octets[1]
    start, length = 2, first
    if first & 0x80:
        count = first & 0x7F
        if not 1 <= count <= 3 or len(octets) < 2 + count or octets[2] == 0:
            return None
        start, length = 2 + count, int.from_bytes(octets[2 : 2 + count], "big")
        if length < 0x80:
            return None  # DER wants the short form
    end = start + length
    if end > len(octets):
        return None
    return Value(tag, octets[start:end], octets[end:])


def rsa_key(octets: bytes) -> RsaKey | None:
    """Read an RSA key: a SubjectPublicKeyInfo (RFC 5280), as everybody publishes, or a bare RSAPublicKey (RFC 8017).

    RFC 6376 section 3.6.1 names the latter and its examples have the former.
    """
    outer = _only(octets, SEQUENCE)
    if outer is None:
        return None
    first = read(outer)
    if first is not None and first.tag == SEQUENCE:
        algorithm = read(first.content)
        inner = _bits(first.rest)
        if inner is None or algorithm is None or algorithm[:2] != (OBJECT_IDENTIFIER, _RSA):
            return None
        if algorithm.rest not in {b"", bytes([NULL, 0])}:
            return None
        outer = _only(inner, SEQUENCE)
        if outer is None:
            return None
    return _modulus_and_exponent(outer)


def is_ed25519_info(octets: bytes) -> bool:
    """Whether it is a SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), which RFC 8463 does not want in a record."""
    outer = _only(octets, SEQUENCE)
    first = read(outer) if outer is not None else None
    algorithm = read(first.content) if first is not None and first.tag == SEQUENCE else None
    return algorithm is not None and algorithm[:2] == (OBJECT_IDENTIFIER, _ED25519)


def _only(octets: bytes, tag: int) -> bytes | None:
    value = read(octets)
    return value.content if value is not None and value.tag == tag and not value.rest else None


def _bits(octets: bytes) -> bytes | None:
    content = _only(octets, BIT_STRING)
    return content[1:] if content and content[0] == 0 else None


def _modulus_and_exponent(octets: bytes) -> RsaKey | None:
    modulus = read(octets)
    exponent = read(modulus.rest) if modulus is not None else None
    if modulus is None or exponent is None or exponent.rest:
        return None
    numbers = [_positive(value) for value in (modulus, exponent)]
    if numbers[0] is None or numbers[1] is None:
        return None
    return RsaKey(numbers[0].bit_length(), numbers[1])


def _positive(value: Value) -> int | None:
    content = value.content
    if value.tag != INTEGER or not content or content[0] & 0x80:
        return None
    if content[0] == 0 and (len(content) == 1 or not content[1] & 0x80):
        return None  # zero, or a needless leading octet
    return int.from_bytes(content, "big")


# SECTION exporter.checks.dkim

_CHECK = DomainCheckName.DKIM
_MIN_BITS = 1024  # RFC 8301 section 3.2: verifiers reject less
_GOOD_BITS = 2048
_ED25519_BYTES = 32
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
        fix = Fix("Publish the record without the y flag.", self.owner, *self._rewritten(tags, "t", "y"))
        return replace(
            report, is_testing=True, hints=(*report.hints, self._hint(DomainReason.DKIM_TESTING, sentence, fix))
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
            return self._fails(DomainReason.DKIM_DANGLING, sentence, Fix(advice, self.name))
        sentence = f"The DKIM selector {self.selector} has no key: {self.name} {nowhere}."
        return self._fails(
            DomainReason.DKIM_MISSING, sentence, Fix("Publish the public key of the signing server.", self.name)
        )

    def _not_one(self, records: tuple[bytes, ...]) -> DomainFinding:
        sentence = f"{self.owner} has {len(records)} key records; which of them a verifier takes is undefined."
        lines = tuple([txt_line(self.owner, record) for record in records])
        advice = "Keep only the record of the key that signs: take the lines below out unless one of them is that key."
        return self._fails(DomainReason.DKIM_SEVERAL_RECORDS, sentence, Fix(advice, self.owner, replaces=lines[1:]))

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
            fix = Fix("Publish the record without s=.", self.owner, *self._rewritten(tags, "s", ""))
            return DkimReport(self.name, self._fails(DomainReason.DKIM_NOT_FOR_EMAIL, sentence, fix), key_type=kind)
        return replace(self._of_key(kind, key, tags), key_type=kind)

    def _of_key(self, kind: str, key: str, tags: Tags) -> DkimReport:
        try:
            octets = binascii.a2b_base64(key.encode(), strict_mode=True)
        except ValueError:
            return self._unreadable("p= is not base64, or was cut short")
        hints = []
        if kind == "ed25519":
            if len(octets) != _ED25519_BYTES:
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
                hints.append(self._hint(DomainReason.DKIM_KEY_SHORT, sentence, Fix(_NEW_KEY, self.owner)))
        hashes = _list(tags.get("h"))
        if hashes and "sha256" not in hashes:
            sentence = f"The DKIM key {self.selector} allows only h={clip(tags.get('h'))}, and verifiers want sha256."
            fix = Fix("Publish the record without h=.", self.owner, *self._rewritten(tags, "h", ""))
            return DkimReport(self.name, self._fails(DomainReason.DKIM_NO_SHA256, sentence, fix), bits=bits)
        return DkimReport(self.name, DomainFinding(_CHECK, Result.PASS, self.selector), tuple(hints), bits=bits)

    def _rewritten(self, tags: Tags, name: str, value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The record without a value of a tag, or without the tag; and the record as it is."""
        pairs = []
        for tag, known in tags.pairs:
            if tag == name:
                left = [it for it in re.split(r"\s*:\s*", known) if it != value] if value else []
                if left:
                    pairs.append((tag, ":".join(left)))
            else:
                pairs.append((tag, _WHITE.sub("", known) if tag == "p" else known))
        text = "; ".join([f"{tag}={known}" for tag, known in pairs]).encode("ascii", "replace")
        return (txt_line(self.owner, text),), tuple([txt_line(self.owner, record) for record in self._records()])

    def _unreadable(self, why: str) -> DkimReport:
        sentence = f"The DKIM key {self.selector} cannot be read: {why}."
        return self._failed(
            DomainReason.DKIM_KEY_UNREADABLE, sentence, "Publish the key as the signing server gives it."
        )

    def _failed(self, reason: DomainReason, sentence: str, advice: str) -> DkimReport:
        return DkimReport(self.name, self._fails(reason, sentence, Fix(advice, self.owner)))

    def _fails(self, reason: DomainReason, sentence: str, fix: Fix) -> DomainFinding:
        return DomainFinding(_CHECK, Result.FAIL, self.selector, reason, sentence, fix)

    def _hint(self, reason: DomainReason, sentence: str, fix: Fix) -> Hint:
        return Hint(_CHECK, self.selector, reason, sentence, fix)


def _list(value: str) -> set[str]:
    """The parts of a colon-separated value."""
    return {part.strip() for part in value.split(":") if part.strip()}
