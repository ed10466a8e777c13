"""Reads broken DKIM, DMARC, MTA-STS and TLS-RPT records as they were meant."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.checks.answers import Answer, Question
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.txt_records import clip

Pairs = tuple[tuple[str, str], ...]

_QUOTES = frozenset('"\u2033\u201c\u201d')
_ESCAPE = re.compile(r"\\+(?=[;\",=:\s]|$)")
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)\s*=\s*(.*)", re.DOTALL)
_ANY_VERSION = re.compile(r"(?<![\w.@-])v\s*[=:]\s*([^\s;,]*)", re.IGNORECASE)
_GLUED_POLICY = re.compile(r"(=\s*(?:none|quarantine|reject))(?=[a-z]+\s*=)", re.IGNORECASE)
_ALIKE = 0.7


class Meant(NamedTuple):
    """A broken record, and what it was meant to say.

    Attributes:
        text: The record as published.
        why: Why it does not count, as a clause: ``it begins with white space``.
        pairs: Its tags, without the version; known names in lower case.
        lost: Parts that are no tags, which the repair leaves out.
    """

    text: bytes
    why: str
    pairs: Pairs
    lost: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """The record in a sentence."""
        return quoted(self.text)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of tag list.

    Attributes:
        version: The value of its ``v=``.
        loose: A pattern for misspellings of the version, without its digit.
        names: Its tags.
        signs: Tags that give away a record without a version.
        uris: Tags that are lists of URIs.
        aliases: Names that people write for a tag, which are no tags.
    """

    version: str
    loose: str
    names: tuple[str, ...]
    signs: frozenset[str]
    uris: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    _version: re.Pattern[str] = field(init=False)
    _tag: re.Pattern[str] = field(init=False)
    _between: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        spelt = rf"{self.loose}[-_ .=]?1?(?:\.0)?(?![0-9])"
        names = "|".join(self.names)
        other = "|[a-z][a-z0-9_]*=" if self.uris else ""  # not in DKIM, where base64 looks like that
        compiled = {
            "_version": rf"(?<![\w.@-])v[\s=:]+{spelt}|\A\W*{spelt}(?=\s*[;,\s]|\Z)",
            "_tag": rf"({names})\s*[\s:=]\s*(.*)",
            "_between": rf"[\s,;|]+(?=(?:{names})\s*[=:]{other})|:(?=(?:{names})\s*=)",
        }
        for name, pattern in compiled.items():
            object.__setattr__(self, name, re.compile(pattern, re.IGNORECASE | re.DOTALL))

    def meant(self, text: bytes) -> Meant | None:
        """Read a record of this kind, whatever is wrong with it; None if it is of another kind."""
        read = cleaned(text)
        found = self._find_version(read)
        if found is None:
            if _ANY_VERSION.search(read):
                return None
            pairs, lost = self._read(read)
            if not self.signs & dict(pairs).keys():
                return None
        else:
            pairs, lost = self._read(f"{read[: found.start()]};{read[found.end() :]}")
        return Meant(text, self._why(text, read, found), pairs, lost)

    def first_meant(self, texts: Iterable[bytes], *, versioned: bool = False) -> Meant | None:
        """The first record of this kind among TXT records; *versioned* demands a version, however it is spelt."""
        wanted = [text for text in texts if not versioned or self._find_version(cleaned(text))]
        return next((it for it in map(self.meant, wanted) if it is not None), None)

    def _find_version(self, read: str) -> re.Match[str] | None:
        if found := self._version.search(read):
            return found
        found = _ANY_VERSION.search(read)
        if found is None or re.search(r"[02-9]\Z", found[1]):
            return None  # another kind of record, or another version
        ratio = difflib.SequenceMatcher(None, found[1].lower(), self.version.lower()).ratio()
        return found if ratio >= _ALIKE else None

    def _read(self, read: str) -> tuple[Pairs, tuple[str, ...]]:
        pairs: list[tuple[str, str]] = []
        lost: list[str] = []
        for part in self._between.sub(";", _GLUED_POLICY.sub(r"\1;", f" {read}")).split(";"):
            segment = part.strip(" \t'`,|.")
            if tag := self._tag.fullmatch(segment):
                value = tag[2].lstrip(" \t'`=:").rstrip(" \t'`:")
                if tag[1].lower() != "v":
                    pairs.append((tag[1].lower(), value))
            elif tag := _NAMED.fullmatch(segment):
                pairs.append((tag[1], tag[2]))
            elif segment and pairs and pairs[-1][0] in self.uris and re.search(r"[@:]", segment):
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{segment}")
            elif segment:
                lost.append(segment)
        if "sp" in self.names and "p" not in dict(pairs):  # a policy without its name
            policies = [it for it in lost if it.lower() in {"none", "quarantine", "reject"}]
            pairs += [("p", it) for it in policies[:1]]
            lost = [it for it in lost if it not in policies[:1]]
        known = dict(pairs)
        read_as = {name: it for name in known if (it := self.aliases.get(name.lower())) and it not in known}
        return tuple([(read_as.get(name, name), value) for name, value in pairs]), tuple(lost)

    def _why(self, text: bytes, read: str, found: re.Match[str] | None) -> str:
        version = f"v={self.version}"
        if found is None:
            return f"it has no {version}"
        if text[:1].isspace() and re.match(rb"\s+[vV]\s*=", text):
            return "it begins with white space"
        if text[:1] == b"'" or b'"' in text or any(quote in text.decode("utf-8", "replace") for quote in _QUOTES):
            return "it has quotation marks in its text"
        if b"\\" in text:
            return "it has backslashes in its text"
        if read[: found.start()].strip(" ;"):
            return f"{version} does not come first"
        if not re.fullmatch(rf"[vV]\s*=\s*{self.version}", found[0].strip()):
            return f"it begins with {clip(found[0].strip())}, and not with {version}"
        return f"no semicolon follows {version}" if text.isascii() else "it has characters outside ASCII"

    def text(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        """Write a record with its version first, if it needs one."""
        tags = [f"{name}={value}" for name, value in pairs]
        return "; ".join([f"v={self.version}", *tags]).encode("ascii", "backslashreplace")


DMARC = Dialect(
    "DMARC1",
    "D-?MARC",
    ("v", "p", "sp", "np", "rua", "ruf", "adkim", "aspf", "fo", "psd", "t", "pct", "rf", "ri"),
    frozenset({"p", "rua", "sp", "adkim", "aspf"}),
    frozenset({"rua", "ruf"}),
    {"policy": "p"},
)
DKIM = Dialect("DKIM1", "DKIM", ("v", "p", "k", "h", "n", "s", "t", "g"), frozenset({"p"}))
MTA_STS = Dialect("STSv1", "(?:MTA[-_ ]?)?STS[-_ ]?v?", ("v", "id"), frozenset({"id"}))
TLS_RPT = Dialect(
    "TLSRPTv1", "(?:SMTP[-_ ]?)?TLS[-_ ]?RPT[-_ ]?v?", ("v", "rua"), frozenset({"rua"}), frozenset({"rua"})
)


def quoted(text: bytes) -> str:
    """A record in a sentence."""
    return clip(text.decode("ascii", "backslashreplace"), 160)


def cleaned(text: bytes) -> str:
    """The text without quotes, escapes and invisible characters, and with ASCII in place of what looks like it."""
    try:
        read = text.decode("utf-8")
    except UnicodeDecodeError:
        read = text.decode("latin-1")
    kept: list[str] = []
    for character in unicodedata.normalize("NFKC", _ESCAPE.sub("", read)):
        category = unicodedata.category(character)
        if character in _QUOTES or category in {"Pi", "Pf", "Cf"}:
            continue
        kept.append("-" if category == "Pd" else " " if category in {"Zs", "Zl", "Zp", "Cc"} else character)
    return "".join(kept).strip()


_ADDRESS = re.compile(
    r"(?:mail\s*to|mail)?[:/=<]*([^\s@:/<>,;]+@[^\s@:/<>,;!]+?)\.?((?:![0-9]+[kmgt]?)?)>?", re.IGNORECASE
)


def report_uris(value: str) -> list[str]:
    """The URIs of a list, each once; bare mail addresses get their ``mailto:``. What is neither stays as it is."""
    uris = []
    for part in re.split(r"[\s,;]+", value):
        part = part.strip("'<>()")
        if address := _ADDRESS.fullmatch(part):
            part = f"mailto:{address[1]}{address[2]}"
        if part and part.lower().rstrip(":/") not in {"mailto", "https", "http"}:
            uris.append(part)
    return list(dict.fromkeys(uris))


def elsewhere(names: Iterable[str]) -> Check[list[tuple[DomainName, Answer]]]:
    """Look for TXT records at names where people put a record by mistake; names that are too long are skipped."""
    candidates = []
    for name in names:
        with suppress(ValueError):
            candidates.append(DomainName(name))
    answers = yield [Question(name, "TXT") for name in candidates]
    return list(zip(candidates, answers, strict=True))
