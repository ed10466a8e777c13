"""Is a DKIM key record fit to verify with (RFC 6376 section 3.6, RFC 8463, RFC 8301)?"""

import binascii
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason, Hint, failed, passed, unanswered
from exporter.checks.names import DomainName
from exporter.checks.result import Fix
from exporter.checks.txt_records import Tags, clip, parse_tags, txt_line

_CHECK = DomainCheckName.DKIM
_MIN_BITS = 1024  # RFC 8301 section 3.2: verifiers reject less
_GOOD_BITS = 2048
_ED25519_BYTES = 32
_WHITE = re.compile(r"[ \t\r\n]+")
_NEW_KEY = "Make a new RSA key pair of 2048 bits, and publish its public key under a new selector."


@dataclass(frozen=True, slots=True)
class DkimReport:
    """The key record of one selector.

    Attributes:
        name: The name of the record.
        finding: The result of the check.
        hints: What could be better.
        key_type: ``rsa`` or ``ed25519``; "" without a readable record.
        bits: The size of the key; None if it cannot be read.
        is_revoked: Whether the record has an empty key.
        is_testing: Whether the record is in test mode.
        chain: The CNAME chain to the record. Selectors are often delegated.
        record: The record; b"" if there is not exactly one.
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
    """The name of the key record. Raises `ValueError` for a selector that cannot be in the DNS."""
    return DomainName(f"{selector}._domainkey.{domain}")


def dkim(selector: str, domain: DomainName) -> Check[DkimReport]:
    """Check the key record of one selector, which is the subject of the finding."""
    name = key_name(selector, domain)
    question = Question(name, "TXT")
    (answer,) = yield [question]
    if not answer.is_conclusive:
        return DkimReport(name, unanswered(_CHECK, selector, question, answer))
    return replace(_SelectorAnswer(selector, name, answer).report(), chain=answer.chain)


@dataclass(frozen=True, slots=True)
class _SelectorAnswer:
    """The answer for one selector; its methods evaluate it."""

    selector: str
    name: DomainName
    answer: Answer

    @property
    def owner(self) -> DomainName:
        return self.answer.chain[-1] if self.answer.chain else self.name

    def report(self) -> DkimReport:
        if self.answer.status is not Status.ANSWER:
            return self._missing()
        records = self._records()
        if len(records) != 1:
            return self._several(records)
        tags = parse_tags(records[0])
        report = replace(self._of_tags(tags), record=records[0])
        if "y" not in _list(tags.get("t")):
            return report
        sentence = f"The DKIM key {self.selector} is in test mode (t=y): verifiers treat its mail as if unsigned."
        fix = Fix("Publish the record without the y flag.", self.owner, *self._rewritten(tags, "t", "y"))
        hint = Hint(_CHECK, self.selector, DomainReason.DKIM_TESTING, sentence, fix)
        return replace(report, is_testing=True, hints=(*report.hints, hint))

    def _records(self) -> tuple[bytes, ...]:
        """The key records: all TXT records, or of several those with a key."""
        texts = self.answer.texts
        keys = tuple([text for text in texts if "p" in parse_tags(text)])
        return keys if keys and len(texts) > 1 else texts

    def _missing(self) -> DkimReport:
        nowhere = "does not exist" if self.answer.status is Status.NXDOMAIN else "has no TXT record"
        if self.answer.chain:
            to = f"the CNAME of {self.name} leads to {self.owner}, which {nowhere}"
            sentence = f"The DKIM selector {self.selector} dangles: {to}."
            advice = f"Ask the operator of {self.owner} to publish it, or point the CNAME at a key that exists."
            return self._failed(DomainReason.DKIM_DANGLING, sentence, Fix(advice, self.name))
        sentence = f"The DKIM selector {self.selector} has no key: {self.name} {nowhere}."
        fix = Fix("Publish the public key of the signing server.", self.name)
        return self._failed(DomainReason.DKIM_MISSING, sentence, fix)

    def _several(self, records: tuple[bytes, ...]) -> DkimReport:
        sentence = f"{self.owner} has {len(records)} key records; it is undefined which of them a verifier uses."
        lines = tuple([txt_line(self.owner, record) for record in records])
        advice = "Keep only the record of the key that signs: remove the lines below unless one of them is that key."
        return self._failed(DomainReason.DKIM_SEVERAL_RECORDS, sentence, Fix(advice, self.owner, replaces=lines[1:]))

    def _of_tags(self, tags: Tags) -> DkimReport:
        problem = tags.problem
        if not problem and "v" in tags and (tags.get("v") != "DKIM1" or tags.pairs[0][0] != "v"):
            problem = "v=DKIM1 has to come first, exactly in this spelling"
        if not problem and "p" not in tags:
            problem = "it has no p= with the key"
        if problem:
            sentence = f"The DKIM record at {self.owner} cannot be read: {problem}."
            advice = "Publish the record exactly as the signing server shows it."
            return self._failed(DomainReason.DKIM_SYNTAX, sentence, advice)
        kind = tags.get("k", "rsa")
        if kind not in {"rsa", "ed25519"}:
            sentence = f"The DKIM key {self.selector} is of a type that verifiers do not know: k={clip(kind)}."
            return self._failed(DomainReason.DKIM_KEY_TYPE, sentence, _NEW_KEY)
        key = _WHITE.sub("", tags.get("p"))
        if not key:
            sentence = f"The DKIM key {self.selector} is revoked: its p= is empty, so its signatures fail."
            advice = "Sign with another key, and remove the selector from the configuration once nothing signs with it."
            return replace(self._failed(DomainReason.DKIM_REVOKED, sentence, advice), key_type=kind, is_revoked=True)
        services = _list(tags.get("s", "*"))
        if not services & {"*", "email"}:
            sentence = f"The DKIM key {self.selector} is not for email: s={clip(tags.get('s'))}."
            fix = Fix("Publish the record without s=.", self.owner, *self._rewritten(tags, "s", ""))
            return replace(self._failed(DomainReason.DKIM_NOT_FOR_EMAIL, sentence, fix), key_type=kind)
        return replace(self._of_key(kind, key, tags), key_type=kind)

    def _of_key(self, kind: str, key: str, tags: Tags) -> DkimReport:
        try:
            data = binascii.a2b_base64(key.encode(), strict_mode=True)
        except ValueError:
            return self._unreadable("p= is not base64, or was cut short")
        hints = []
        if kind == "ed25519":
            if len(data) != _ED25519_BYTES:
                what = "is a SubjectPublicKeyInfo" if is_ed25519_info(data) else f"has {len(data)} bytes"
                return self._unreadable(f"an Ed25519 key is exactly 32 bytes, but p= {what}")
            bits = 8 * len(data)
        else:
            rsa = rsa_key(data)
            if rsa is None:
                return self._unreadable("p= is no RSA public key")
            bits = rsa.bits
            if bits < _MIN_BITS:
                limit = f"verifiers reject keys under {_MIN_BITS} (RFC 8301)"
                sentence = f"The DKIM key {self.selector} has {bits} bits; {limit}."
                return replace(self._failed(DomainReason.DKIM_KEY_WEAK, sentence, _NEW_KEY), bits=bits)
            if bits < _GOOD_BITS:
                sentence = f"The DKIM key {self.selector} has {bits} bits; {_GOOD_BITS} are advised (RFC 8301)."
                fix = Fix(_NEW_KEY, self.owner)
                hints.append(Hint(_CHECK, self.selector, DomainReason.DKIM_KEY_SHORT, sentence, fix))
        hashes = _list(tags.get("h"))
        if hashes and "sha256" not in hashes:
            sentence = f"The DKIM key {self.selector} allows only h={clip(tags.get('h'))}, but verifiers want sha256."
            fix = Fix("Publish the record without h=.", self.owner, *self._rewritten(tags, "h", ""))
            return replace(self._failed(DomainReason.DKIM_NO_SHA256, sentence, fix), bits=bits)
        return DkimReport(self.name, passed(_CHECK, self.selector), tuple(hints), bits=bits)

    def _rewritten(self, tags: Tags, name: str, value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The record without *value* in a tag, or without the tag if it has no other; and the records as they are."""
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
        advice = "Publish the key exactly as the signing server shows it."
        return self._failed(DomainReason.DKIM_KEY_UNREADABLE, sentence, advice)

    def _failed(self, reason: DomainReason, sentence: str, fix: Fix | str) -> DkimReport:
        fix = Fix(fix, self.owner) if isinstance(fix, str) else fix
        return DkimReport(self.name, failed(_CHECK, self.selector, reason, sentence, fix))


def _list(value: str) -> set[str]:
    """The parts of a colon-separated value."""
    return {part.strip() for part in value.split(":") if part.strip()}


SEQUENCE, INTEGER, BIT_STRING, OBJECT_IDENTIFIER, NULL = 0x30, 0x02, 0x03, 0x06, 0x05

_RSA = bytes.fromhex("2a864886f70d010101")  # 1.2.840.113549.1.1.1, RFC 8017 appendix C
_ED25519 = bytes.fromhex("2b6570")  # 1.3.101.112, RFC 8410 section 3


class DerValue(NamedTuple):
    """One DER value (X.690): its tag, its content, and the bytes after it."""

    tag: int
    content: bytes
    rest: bytes


class RsaKey(NamedTuple):
    """An RSA public key: the size of its modulus in bits, and its exponent."""

    bits: int
    exponent: int


def read_value(data: bytes) -> DerValue | None:
    """Read the first value of *data*; None if it is not DER."""
    if len(data) < 2:
        return None
    tag, first = data[0], data[1]
    start, length = 2, first
    if first & 0x80:
        count = first & 0x7F
        if not 1 <= count <= 3 or len(data) < 2 + count or data[2] == 0:
            return None
        start, length = 2 + count, int.from_bytes(data[2 : 2 + count], "big")
        if length < 0x80:
            return None  # DER requires the short form
    end = start + length
    if end > len(data):
        return None
    return DerValue(tag, data[start:end], data[end:])


def rsa_key(data: bytes) -> RsaKey | None:
    """Read an RSA key: a SubjectPublicKeyInfo (RFC 5280), as everybody publishes, or a bare RSAPublicKey (RFC 8017).

    RFC 6376 section 3.6.1 names the latter, but its examples have the former. None if it is neither.
    """
    outer = _only(data, SEQUENCE)
    if outer is None:
        return None
    first = read_value(outer)
    if first is not None and first.tag == SEQUENCE:
        algorithm = read_value(first.content)
        inner = _bits(first.rest)
        if inner is None or algorithm is None or algorithm[:2] != (OBJECT_IDENTIFIER, _RSA):
            return None
        if algorithm.rest not in {b"", bytes([NULL, 0])}:
            return None
        outer = _only(inner, SEQUENCE)
        if outer is None:
            return None
    return _modulus_and_exponent(outer)


def is_ed25519_info(data: bytes) -> bool:
    """Whether it is a SubjectPublicKeyInfo of an Ed25519 key (RFC 8410); RFC 8463 allows none in a record."""
    outer = _only(data, SEQUENCE)
    first = read_value(outer) if outer is not None else None
    algorithm = read_value(first.content) if first is not None and first.tag == SEQUENCE else None
    return algorithm is not None and algorithm[:2] == (OBJECT_IDENTIFIER, _ED25519)


def _only(data: bytes, tag: int) -> bytes | None:
    value = read_value(data)
    return value.content if value is not None and value.tag == tag and not value.rest else None


def _bits(data: bytes) -> bytes | None:
    content = _only(data, BIT_STRING)
    return content[1:] if content and content[0] == 0 else None


def _modulus_and_exponent(data: bytes) -> RsaKey | None:
    modulus = read_value(data)
    exponent = read_value(modulus.rest) if modulus is not None else None
    if modulus is None or exponent is None or exponent.rest:
        return None
    n, e = _positive(modulus), _positive(exponent)
    return None if n is None or e is None else RsaKey(n.bit_length(), e)


def _positive(value: DerValue) -> int | None:
    content = value.content
    if value.tag != INTEGER or not content or content[0] & 0x80:
        return None
    if content[0] == 0 and (len(content) == 1 or not content[1] & 0x80):
        return None  # zero, or an unnecessary leading byte
    return int.from_bytes(content, "big")
