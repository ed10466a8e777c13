"""Is a DKIM key record fit to verify with (RFC 6376 section 3.6, RFC 8463, RFC 8301)?"""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.domain import Hint, beside_cname, failed, passed, unanswered
from exporter.checks.names import DomainName
from exporter.checks.repair import DKIM, Meant, elsewhere, quoted
from exporter.checks.result import CheckName, Finding, Fix, Reason
from exporter.checks.txt_records import Tags, clip, copies, parse_tags, txt_line

_CHECK = CheckName.DKIM
_MIN_BITS = 1024  # RFC 8301 section 3.2: verifiers reject less
_GOOD_BITS = 2048
_ED25519_BYTES = 32
_WHITE = re.compile(r"[ \t\r\n]+")
_AS_SHOWN = "Publish the record exactly as the signing server shows it."
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
    finding: Finding
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
    answer, cname = yield [question, Question(name, "CNAME")]
    if not answer.is_conclusive:
        return DkimReport(name, unanswered(_CHECK, selector, question, answer))
    for finding in beside_cname(_CHECK, selector, name, answer, cname):
        return DkimReport(name, finding)
    state = _SelectorAnswer(selector, domain, name, answer)
    report = state.evaluated() if state.has_key else (yield from state.missing())
    return replace(report, chain=answer.chain)


@dataclass(frozen=True, slots=True)
class _SelectorAnswer:
    """The answer for one selector; its methods evaluate it.

    Attributes:
        selector: The selector.
        domain: The domain that signs with it.
        name: The name of the key record.
        answer: The answer to the TXT question at that name.
    """

    selector: str
    domain: DomainName
    name: DomainName
    answer: Answer

    @property
    def owner(self) -> DomainName:
        """The name that has the record."""
        return self.answer.owner(self.name)

    def evaluated(self) -> DkimReport:
        """The report, from one TXT record at the selector."""
        texts = self.answer.texts
        if len(texts) > 1:
            return self._several(texts)
        tags = parse_tags(texts[0])
        report = replace(self._of_tags(tags), record=texts[0])
        if "y" not in _list(tags.get("t")):
            return report
        sentence = f"The DKIM key {self.selector} is in test mode (t=y): verifiers treat its mail as if unsigned."
        fix = Fix("Publish the record without the y flag.", self.owner, *self._rewritten(tags, "t", "y"))
        hint = Hint(_CHECK, self.selector, Reason.DKIM_TESTING, sentence, fix)
        return replace(report, is_testing=True, hints=(*report.hints, hint))

    @property
    def has_key(self) -> bool:
        """Whether a record is a key, or was meant to be one: a wildcard can put other TXT records at any name."""
        return any(map(is_key, self.answer.texts))

    def missing(self) -> Check[DkimReport]:
        """The report without a key at the selector. Looks where it may have been put by mistake."""
        texts = self.answer.texts
        nowhere = "does not exist" if self.answer.status is Status.NXDOMAIN else "has no TXT record"
        is_wildcard = self.domain.is_under(self.owner)  # nobody delegates a key to the domain itself
        if self.answer.chain and not texts and not is_wildcard:
            to = f"the CNAME of {self.name} leads to {self.owner}, which {nowhere}"
            sentence = f"The DKIM selector {self.selector} dangles: {to}."
            advice = f"Ask the operator of {self.owner} to publish it, or point the CNAME at a key that exists."
            return self._failed(Reason.DKIM_DANGLING, sentence, Fix(advice, self.name))
        if texts:
            what = "a TXT record that is no key" if len(texts) == 1 else "TXT records that are no keys"
            nowhere = f"has only {what}: {quoted(texts[0])}"
        if self.answer.chain:
            nowhere = f"is a CNAME that leads to {self.owner}, which {nowhere}"
        moved = yield from self._misplaced()
        if moved is not None:
            sentence = (
                f"The DKIM selector {self.selector} has no key: its record is at {moved.zone}, and not at {self.name}."
            )
            fix = replace(moved, zone=self.name)
            return self._failed(Reason.DKIM_MISSING, sentence, fix)
        sentence = f"The DKIM selector {self.selector} has no key: {self.name} {nowhere}."
        only = ", in place of any other record and wildcard there" if texts else ""
        fix = Fix(f"Publish the public key of the signing server at {self.name}{only}.", self.name)
        return self._failed(Reason.DKIM_MISSING, sentence, fix)

    def _misplaced(self) -> Check[Fix | None]:
        """How to move a key that was put in the wrong found_at, which is the zone of the fix; None if there is none."""
        domain = self.domain
        at = (f"{self.selector}.domainkey.{domain}", f"{self.name}.{domain}", f"{self.selector}.{domain}")
        for found_at, answer in (yield from elsewhere([*at, f"_domainkey.{domain}"])):
            texts = [text for text in answer.texts if is_key(text)]
            if not texts:
                continue
            advice = f"Move it to {self.name}, as below."
            if answer.chain:
                target = f"CNAME {answer.chain[0]}."
                return Fix(advice, found_at, (f"{self.name}. {target}",), (f"{found_at}. {target}",))
            there = () if self.answer.chain else tuple([txt_line(self.name, text) for text in self.answer.texts])
            new = self._repaired(texts[0]) or texts[0]
            return Fix(advice, found_at, (txt_line(self.name, new),), (txt_line(found_at, texts[0]), *there))
        return None

    def _several(self, texts: Sequence[bytes]) -> DkimReport:
        keys = [text for text in texts if is_key(text)]
        what = "of which one is a key" if len(keys) == 1 else f"of which {len(keys)} are keys"
        undefined = "it is undefined which of them a verifier reads (RFC 6376 section 3.6.2.2)"
        sentence = f"{self.owner} has {len(texts)} TXT records, {what}; {undefined}{copies(texts)}."
        usable = [text for text in keys if self._of_tags(parse_tags(text)).finding.reason is None]
        same = {key_material(parse_tags(text).get("p")) for text in usable}
        kept = next(iter(usable if len(same) == 1 else keys if len(keys) == 1 else ()), None)
        if self.answer.chain:
            advice = (
                f"Leave only the key at {self.owner}, or publish the key at {self.name} itself, in place of the CNAME."
            )
            fix = Fix(advice, self.name)
        elif kept is None:
            fix = Fix("Keep only the record of the key that signs, and remove the others.", self.owner)
        elif texts.count(kept) > 1:
            lines = tuple([txt_line(self.owner, text) for text in texts])
            fix = Fix("Publish the key once, as below.", self.owner, (txt_line(self.owner, kept),), lines)
        else:
            others = [text for text in texts if text != kept]
            advice = f"Keep only the key{'' if len(keys) == 1 else ' that can be used'}: remove the records below."
            fix = Fix(advice, self.owner, replaces=tuple([txt_line(self.owner, text) for text in others]))
        return self._failed(Reason.DKIM_SEVERAL_RECORDS, sentence, fix)

    def _of_tags(self, tags: Tags) -> DkimReport:
        problem = tags.problem
        if not problem and "v" in tags and (tags.get("v") != "DKIM1" or tags.pairs[0][0] != "v"):
            problem = "v=DKIM1 has to come first, exactly in this spelling"
        if not problem and "p" not in tags:
            problem = "it has no p= with the key"
        if problem:
            sentence = f"The DKIM record at {self.owner} cannot be read: {problem}."
            return self._failed(Reason.DKIM_SYNTAX, sentence, self._repairing(_AS_SHOWN))
        kind = tags.get("k", "rsa")
        if kind not in {"rsa", "ed25519"}:
            if kind.lower() in {"rsa", "ed25519"}:
                sentence = f"The DKIM key {self.selector} has k={kind}, which is case-sensitive (RFC 6376 section 3.2)."
                return self._failed(Reason.DKIM_KEY_TYPE, sentence, self._repairing(f"Write k={kind.lower()}."))
            sentence = f"The DKIM key {self.selector} is of a type that verifiers do not know: k={clip(kind)}."
            return self._failed(Reason.DKIM_KEY_TYPE, sentence, _NEW_KEY)
        key = _WHITE.sub("", tags.get("p"))
        if not key:
            sentence = f"The DKIM key {self.selector} is revoked: its p= is empty, so its signatures fail."
            advice = "Sign with another key, and remove the selector from the configuration once nothing signs with it."
            return replace(self._failed(Reason.DKIM_REVOKED, sentence, advice), key_type=kind, is_revoked=True)
        services = _list(tags.get("s", "*"))
        if not services & {"*", "email"}:
            sentence = f"The DKIM key {self.selector} is not for email: s={clip(tags.get('s'))}."
            fix = Fix("Publish the record without s=.", self.owner, *self._rewritten(tags, "s", ""))
            return replace(self._failed(Reason.DKIM_NOT_FOR_EMAIL, sentence, fix), key_type=kind)
        return replace(self._of_key(kind, key, tags), key_type=kind)

    def _of_key(self, kind: str, key: str, tags: Tags) -> DkimReport:
        hints = []
        material = key_material(key)
        data = _decoded(key)
        if (
            material is None
            or material.what
            or material.kind != kind
            or data is None
            or material.base64 != _encoded(data)
        ):
            return self._unreadable(key, kind, material)
        bits = material.bits
        if kind == "rsa":
            if bits < _MIN_BITS:
                limit = f"verifiers reject keys under {_MIN_BITS} (RFC 8301)"
                sentence = f"The DKIM key {self.selector} has {bits} bits; {limit}."
                return replace(self._failed(Reason.DKIM_KEY_WEAK, sentence, _NEW_KEY), bits=bits)
            if bits < _GOOD_BITS:
                sentence = f"The DKIM key {self.selector} has {bits} bits; {_GOOD_BITS} are advised (RFC 8301)."
                fix = Fix(_NEW_KEY, self.owner)
                hints.append(Hint(_CHECK, self.selector, Reason.DKIM_KEY_SHORT, sentence, fix))
        hashes = _list(tags.get("h"))
        if hashes and "sha256" not in hashes:
            sentence = f"The DKIM key {self.selector} allows only h={clip(tags.get('h'))}, but verifiers want sha256."
            fix = Fix("Publish the record without h=.", self.owner, *self._rewritten(tags, "h", ""))
            return replace(self._failed(Reason.DKIM_NO_SHA256, sentence, fix), bits=bits)
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
        return (txt_line(self.owner, text),), tuple([txt_line(self.owner, record) for record in self.answer.texts])

    def _unreadable(self, key: str, kind: str, material: "KeyMaterial | None") -> DkimReport:
        if material is not None and material.kind == "private":
            what = "has a private key in p=: anyone who reads it can sign"
            sentence = f"The DKIM record of {self.selector} {what} as {self.domain}."
            advice = f"Remove the record, and never sign with this key again. {_NEW_KEY}"
            return self._failed(Reason.DKIM_KEY_UNREADABLE, sentence, advice)
        if material is None:
            why = "p= is not base64, or was cut short" if _decoded(key) is None else "p= is no RSA public key"
            if kind == "ed25519" and (data := _decoded(key)) is not None:
                why = f"an Ed25519 key is exactly 32 bytes, but p= has {len(data)} bytes"
        elif material.what:
            why = f"p= {material.what}"
        elif material.kind != kind:
            why = f"p= has a key of the type {material.kind}, but is read as k={kind}"
        else:
            why = "p= has characters that are no base64, or lacks some at its end"
        sentence = f"The DKIM key {self.selector} cannot be read: {why}."
        advice = "Publish the key exactly as the signing server shows it."
        return self._failed(Reason.DKIM_KEY_UNREADABLE, sentence, self._repairing(advice))

    def _repaired(self, text: bytes) -> bytes | None:
        """The record as it was meant to be; None if its key cannot be read."""
        meant = DKIM.meant(text)
        pairs = meant.pairs if meant is not None else (("p", text.decode("ascii", "replace")),)
        tags: dict[str, str] = {}
        for name, value in pairs:
            if value != tags.setdefault(name, value):
                return None  # which of them counts is not for us to decide
        material = key_material(tags.get("p", ""))
        if material is None or material.kind == "private":
            return None
        tags |= {"k": material.kind} if "k" in tags or material.kind != "rsa" else {}
        tags["p"] = material.base64
        return DKIM.text(tags.items())

    def _repairing(self, advice: str) -> Fix:
        """Publish the one record repaired, if it can be."""
        texts = self.answer.texts
        repaired = self._repaired(texts[0]) if len(texts) == 1 else None
        if repaired is None:
            return Fix(advice, self.owner)
        old = (txt_line(self.owner, texts[0]),)
        return Fix(
            f"{advice} Below is the present record, repaired.", self.owner, (txt_line(self.owner, repaired),), old
        )

    def _failed(self, reason: Reason, sentence: str, fix: Fix | str) -> DkimReport:
        fix = Fix(fix, self.owner) if isinstance(fix, str) else fix
        return DkimReport(self.name, failed(_CHECK, self.selector, reason, sentence, fix))


def _list(value: str) -> set[str]:
    """The parts of a colon-separated value."""
    return {part.strip() for part in value.split(":") if part.strip()}


_DKIM = re.compile(rb"v\s*=\s*DKIM", re.IGNORECASE)
_ARMOUR = re.compile(r"-+(?:BEGIN|END)[A-Z0-9 ]*-+")


class KeyMaterial(NamedTuple):
    """What a ``p=`` has.

    Attributes:
        kind: ``rsa``, ``ed25519`` or ``private``.
        base64: The public key as it has to be published; "" for a private key.
        bits: The size of the key; 0 for a private key.
        what: What is wrong with the form, as a clause without its subject; "" if nothing is.
    """

    kind: str
    base64: str
    bits: int
    what: str = ""


def is_key(text: bytes) -> bool:
    """Whether a TXT record is a DKIM key, or a broken one."""
    meant = DKIM.meant(text)
    if _DKIM.search(text):
        return True
    if meant is not None:
        return "k" in dict(meant.pairs) or _is_keylike(meant)
    return key_material(text.decode("ascii", "replace")) is not None


def _is_keylike(meant: Meant) -> bool:
    """Whether ``p=`` has, or had, a key: policies of DMARC stand in a tag of this name, too."""
    value = dict(meant.pairs).get("p", "")
    return not value or len(value) >= _SHORTEST_KEY or key_material(value) is not None


_SHORTEST_KEY = 40


def key_material(text: str) -> KeyMaterial | None:
    """Read a key, however it was pasted: with the lines of a PEM file, as a certificate, without padding.

    None if it is none.
    """
    if (openssh := _openssh(text)) is not None:
        return openssh
    bare = _ARMOUR.sub("", text)
    what = "has the header of a PEM file" if bare != text else ""
    is_private = "PRIVATEKEY" in text.upper().replace(" ", "")
    cleaned = re.sub(r"[^A-Za-z0-9+/]", "", bare.replace("-", "+").replace("_", "/").removeprefix("p="))
    data = _decoded(cleaned + "=" * (-len(cleaned) % 4))
    if is_private or (data is not None and _is_private(data)):
        return KeyMaterial("private", "", 0)
    if data is None:
        return None
    if (inner := _certified(data)) is not None:
        what, data = "is a certificate, and not a public key", inner
    if (rsa := rsa_key(data)) is not None:
        return KeyMaterial("rsa", _encoded(data), rsa.bits, what)
    if is_ed25519_info(data):
        what, data = (
            what or "is a SubjectPublicKeyInfo, where an Ed25519 key is exactly 32 bytes",
            data[-_ED25519_BYTES:],
        )
    if len(data) == _ED25519_BYTES:
        return KeyMaterial("ed25519", _encoded(data), 8 * len(data), what)
    return None


_OPENSSH = re.compile(r"(?:\A|ssh-(?:rsa|ed25519))\s*(AAAA[A-Za-z0-9+/]+)")


def _openssh(text: str) -> KeyMaterial | None:
    """A key as ``ssh-keygen`` writes it (RFC 4253 section 6.6, RFC 8709): its type and numbers, each with a length."""
    found = _OPENSSH.search(text)
    encoded = found[1] if found is not None else ""
    encoded = encoded[:-1] if len(encoded) % 4 == 1 else encoded  # a letter of the comment
    data = _decoded(encoded + "=" * (-len(encoded) % 4)) or b""
    fields: list[bytes] = []
    while len(data) >= 4 and len(fields) < 3:
        size = 4 + int.from_bytes(data[:4], "big")
        fields, data = [*fields, data[4:size]], data[size:]
    what = "is an OpenSSH key, which verifiers do not read"
    match fields:
        case [b"ssh-rsa", exponent, modulus]:
            numbers = _der(SEQUENCE, _der(INTEGER, modulus) + _der(INTEGER, exponent))
            algorithm = _der(SEQUENCE, _der(OBJECT_IDENTIFIER, _RSA) + _der(NULL, b""))
            info = _der(SEQUENCE, algorithm + _der(BIT_STRING, b"\0" + numbers))
            rsa = rsa_key(info)
            return None if rsa is None else KeyMaterial("rsa", _encoded(info), rsa.bits, what)
        case [b"ssh-ed25519", key, *_] if len(key) == _ED25519_BYTES:
            return KeyMaterial("ed25519", _encoded(key), 8 * len(key), what)
    return None


def _der(tag: int, content: bytes) -> bytes:
    """Write a DER value."""
    size = len(content).to_bytes(max(1, (len(content).bit_length() + 7) // 8), "big")
    return bytes([tag, *(size if len(content) < 0x80 else (0x80 | len(size), *size))]) + content


def _decoded(key: str) -> bytes | None:
    try:
        return binascii.a2b_base64(key.encode("ascii", "replace"), strict_mode=True)
    except ValueError:
        return None


def _encoded(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _is_private(data: bytes) -> bool:
    """Whether it is a PrivateKeyInfo (RFC 5208) or an RSAPrivateKey (RFC 8017): both begin with a version."""
    outer = _only(data, SEQUENCE)
    version = read_value(outer) if outer is not None else None
    second = read_value(version.rest) if version is not None and version[:2] == (INTEGER, b"\0") else None
    return second is not None and second.tag in {INTEGER, SEQUENCE}


def _certified(data: bytes) -> bytes | None:
    """The SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1)."""
    outer = _only(data, SEQUENCE)
    body = read_value(outer) if outer is not None else None
    inner = body.content if body is not None and body.tag == SEQUENCE else b""
    values: list[bytes] = []
    while (value := read_value(inner)) is not None and len(values) < _FIELDS:
        values.append(inner[: len(inner) - len(value.rest)])
        inner = value.rest
    return values[6] if len(values) == _FIELDS and values[0][0] == _EXPLICIT_VERSION else None


_FIELDS = 7
_EXPLICIT_VERSION = 0xA0

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
