"""SPF records to publish in place of wrong ones: broken terms are repaired, and every sender and end is kept."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.iprev import behind_nat
from exporter.checks.repair import cleaned
from exporter.checks.result import Fix, some
from exporter.checks.spf.terms import LOOSE_VERSION, SpfRecord, clip, dead_end, read_record, spf_records
from exporter.checks.txt_records import txt_line

COMPLETE_FIRST = (
    "Complete this list first. It has to name every server that sends for the domain. "
    "Receivers treat mail from all others as suspicious (softfail)."
)
_VERSION = "v=spf1"
_ENDS = ("?all", "~all", "-all")
_NETWORK_NAMES = frozenset({"ip", "ip4", "ip6", "ipv4", "ipv6", "ip-4", "ip-6", "ipaddr", "cidr"})
_LONG_NAMES = ("include", "exists", "redirect")
_NAMES = ("all", "include", "a", "mx", "ptr", "exists", "redirect", "exp")
_TERM = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9_-]*)[:=]+(.*)", re.DOTALL)
_NAME = re.compile(r"[+~?-]?(?:ip|ipv?[46]|include|exists|redirect)", re.IGNORECASE)
_SEPARATORS = re.compile(r"[,;|]+(?![^{]*\})")
_GLUE = re.compile(
    r"(?<=[^:=/%{~+?.,-])(?=[~+?-]?(?:ipv?[46]|include|exists|redirect|exp)[:=])"
    r"|(?<=[^:=/%{~+?-])(?=[~+?-]+all\b|[~+?-](?:a|mx|ptr)\b)"
    r"|(?<=[0-9])(?=all\Z|(?:mx|ptr)(?:[:/]|\Z)|a:)",
    re.IGNORECASE,
)
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.[A-Za-z][A-Za-z0-9-]*\.?")


class Repair(NamedTuple):
    """A broken record as it was meant.

    Attributes:
        terms: The terms of the record to publish.
        changes: What became of each broken term, as ``a becomes b``.
        lost: Terms whose meaning is not plain, which *terms* leaves out.
    """

    terms: tuple[str, ...]
    changes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def repaired(record: bytes) -> Repair:
    """Read an SPF record, or a text that was meant to be one; every term is repaired where its meaning is plain."""
    if spf_records([record]) and isinstance(read_record(record), SpfRecord):
        return Repair(tuple(record[len(_VERSION) :].decode("ascii").split()))
    text = cleaned(record).replace("\u2212", "-")
    version = LOOSE_VERSION.match(text)
    kept: list[str] = []
    changes: list[str] = []
    lost: list[str] = []
    for word in _split(text[version.end() if version else 0 :]):
        meant = repaired_term(word)
        for term in (word,) if meant is None else meant:
            name = term.partition("=")[0].lower()
            is_second = name in {"redirect", "exp"} and any(it.lower().startswith(f"{name}=") for it in kept)
            if meant is None or (is_second and term not in kept):
                lost.append(term)
            elif not is_second:
                kept.append(term)
        if meant and meant != (word,):
            changes.append(f"{clip(word)} becomes {' '.join(meant)}")
    return Repair(tuple(kept), tuple(changes), tuple(lost))


def _split(text: str) -> list[str]:
    """The words of a record, with those joined that belong together."""
    terms: list[str] = []
    for word in text.split():
        joined = _joined(terms[-1], word) if terms else None
        if joined is not None:
            terms[-1] = joined
        elif word.strip(",;|."):
            terms.append(word)
    return terms


def _joined(before: str, word: str) -> str | None:
    """One term in two words: a blank is next to a colon, a slash or a qualifier, or in place of a colon."""
    if before in {"+", "-", "~", "?"}:
        return before + word
    if is_well_formed(word) and before[-1] not in ":=":
        return None
    if before[-1] in ":=" or word[0] in ":=/":
        joined = before + word
    elif _NAME.fullmatch(before):
        joined = f"{before}{'=' if before.lower() == 'redirect' else ':'}{word}"
    else:
        return None
    return joined if repaired_term(joined) else None


def is_well_formed(term: str) -> bool:
    """Whether a record can have this term."""
    return term.isascii() and isinstance(read_record(f"{_VERSION} {term}".encode()), SpfRecord)


def repaired_term(word: str) -> tuple[str, ...] | None:
    """The terms that a word was meant to be; None if that is not plain."""
    if is_well_formed(word):
        return (word,)
    bare = word.strip(",;|'`()<>").rstrip(".")
    if not bare:
        return None
    if is_well_formed(bare):
        return (bare,)
    for split in (_SEPARATORS, _GLUE):
        several = [part for part in split.split(bare) if part]
        if len(several) > 1 and (meant := _several(several)) is not None:
            return meant
    return _one_term(bare)


def _several(several: Sequence[str]) -> tuple[str, ...] | None:
    """The terms of a list; a bare host after ``include:``, ``a:`` or ``mx:`` is another one of the same kind."""
    terms: list[str] = []
    for part in several:
        name = re.match(r"[+~?-]?(?:include|a|mx|exists):", terms[-1], re.IGNORECASE) if terms else None
        meant = repaired_term(f"{name[0]}{part}") if name and _HOST.fullmatch(part) else repaired_term(part)
        if meant is None:
            return None
        terms += meant
    return tuple(terms)


def _one_term(word: str) -> tuple[str, ...] | None:
    qualifier = word[0] if word[0] in "+~?-" else ""
    if end := re.fullmatch(r"([+~?-])[+~?-]*a+l*[:.]*", word, re.IGNORECASE):
        return (f"{end[1]}all",) if "l" in word.lower() else None
    read = _TERM.fullmatch(word)
    if read is None:
        return _networks(qualifier, word[len(qualifier) :])
    name = next(iter(get_close_matches(read[2].lower(), _LONG_NAMES, 1, 0.75)), read[2].lower())
    value = re.sub(r"\A[a-z]+://|/+\Z", "", read[3].strip("'`<>()[] "), flags=re.IGNORECASE)
    if networks := _networks(qualifier, value):
        return networks if name in _NETWORK_NAMES or name in _NAMES else None
    if name in _NETWORK_NAMES:
        return (f"{qualifier}a:{value}",) if _HOST.fullmatch(value) else None
    if name not in _NAMES:
        return None
    if not value.isascii():
        with suppress(UnicodeError):
            value = value.encode("idna").decode("ascii")
    separator = "=" if name in {"redirect", "exp"} else ":"
    term = f"{name}={value}" if separator == "=" else f"{qualifier}{name}:{value}"
    if not value or value.startswith("/"):
        term = f"{qualifier}{name}{value}"
    return (term,) if is_well_formed(term) else None


def _networks(qualifier: str, text: str) -> tuple[str, ...] | None:
    """The ``ip4`` and ``ip6`` terms for an address, a network or a range, as people write them."""
    text = text.strip("[]").replace("//", "/").rstrip(".")
    with suppress(ValueError, TypeError):
        if bounds := re.fullmatch(r"([0-9.]+)-([0-9.]+)", text):
            first, last = map(ipaddress.IPv4Address, bounds.groups())
            ranges = list(ipaddress.summarize_address_range(first, last))
            return tuple([f"{qualifier}ip4:{it}".removesuffix("/32") for it in ranges]) if len(ranges) <= 8 else None
        if short := re.fullmatch(r"((?:[0-9]+\.){1,3})[*x](?:/[0-9]+)?", text):
            text = f"{short[1]}{'0.' * (4 - short[1].count('.'))}".rstrip(".") + f"/{8 * short[1].count('.')}"
        if partial := re.fullmatch(r"([0-9]+(?:\.[0-9]+){1,2})\.?(/[0-9]+)", text):
            text = f"{partial[1]}{'.0' * (3 - partial[1].count('.'))}{partial[2]}"
        if "%" in text or not re.search(r"[.:]", text):
            return None
        interface = ipaddress.ip_interface(text)
        prefix = interface.network.prefixlen
        if prefix == 0 and not text.endswith("/0"):
            return None
        length = "" if prefix == interface.max_prefixlen else f"/{prefix}"
        return (f"{qualifier}ip{interface.version}:{interface.ip}{length}",)
    return None


def merged(records: Sequence[bytes]) -> Repair:
    """Several records as one: every sender, the end that refuses least, and each ``redirect`` as an ``include``.

    Terms after an ``all`` are left out: they count in no record.
    """
    kept: list[str] = []
    ends: list[str] = []
    redirects: list[str] = []
    lost: list[str] = []
    for record in records:
        repair = repaired(record)
        lost += repair.lost
        has_all = False
        for term in repair.terms:
            name = term.lstrip("+-~?").lower()
            if name == "all":
                ends.append(term.lower())
                has_all = True
            elif name.startswith("redirect="):
                redirects.append(term.partition("=")[2])
            elif not has_all or (name.startswith("exp=") and not any(it.lower().startswith("exp=") for it in kept)):
                kept.append(term)
    if redirects and not ends and len(set(redirects)) == 1:
        return Repair((*dict.fromkeys(kept), f"redirect={redirects[0]}"), lost=tuple(lost))
    terms = dict.fromkeys([*kept, *[f"include:{it}" for it in redirects]])
    end = next((it for it in _ENDS if it in ends), ends[0] if ends else "")
    return Repair((*terms, *([end] if end else [])), lost=tuple(lost))


def names_senders(terms: Iterable[str]) -> bool:
    """Whether a record of these terms lets anybody pass."""
    names = [term.lstrip("+").lower() for term in terms]
    return any(name[0] not in "-~?" and name.partition("=")[0] not in {"all", "exp"} for name in names)


def naming(address: Address) -> str:
    """The term that names one address."""
    return f"ip{address.family}:{address}"


def replacement(
    advice: str,
    owner: str,
    records: Sequence[bytes],
    new: Sequence[str],
    *,
    lost: Sequence[str] = (),
    warning: str = "",
) -> Fix:
    """The fix that publishes one record of the terms *new* in place of *records*; always well-formed.

    *lost* are the terms that it leaves out because their meaning is not plain. If nothing else is left, the fix has
    words only.
    """
    left_out = ""
    if lost:
        left_out = (
            f"The record leaves out {some([clip(term) for term in lost])}: what was meant is not plain. "
            "Add it in its right form; if it names a server that sends, mail from there may be refused."
        )
    if lost and not new:
        return Fix(f"Correct {some([clip(term) for term in lost])} in the record.", owner)
    text = " ".join([_VERSION, *new]).encode("ascii")
    return Fix(
        advice,
        zone=owner,
        records=(txt_line(owner, text),),
        replaces=tuple([txt_line(owner, record) for record in records]),
        warning=" ".join([it for it in (left_out, warning) if it]),
    )


def corrected(owner: str, records: Sequence[bytes], *, first: Sequence[str] = (), advice: str = "") -> Fix:
    """The fix that publishes *records* repaired and as one, after the terms *first*."""
    repair = repaired(records[0]) if len(records) == 1 else merged(records)
    changes = f" {some(repair.changes)}." if repair.changes else ""
    new = [*first, *repair.terms]
    if repair.lost and not names_senders(repair.terms):
        new = [*first, "~all"] if first else []  # with -all alone, it would refuse the senders that were meant
    elif first and not repair.terms:
        new.append("~all")
    return replacement(f"{advice}{changes}", owner, records, new, lost=repair.lost)


def meant_terms(records: Sequence[bytes]) -> tuple[str, ...]:
    """The terms of the record that `corrected` publishes in place of *records*."""
    return (repaired(records[0]) if len(records) == 1 else merged(records)).terms


def authorising(
    address: Address, owner: str, records: Sequence[bytes], *, advice: str = "", why: str = "", host: str = "mx"
) -> Fix:
    """The fix that names the address as the first term, before any term or limit that could end the evaluation.

    *why* is the clause of the outcome: an ``include`` or ``redirect`` that it calls a dead end is removed. Without a
    record, *host* is the term that stands for the servers that are known.
    """
    if address.special_use:
        return behind_nat(address)
    if not records:
        advice = advice or f"Publish an SPF record for {owner} that authorises the address."
        return replacement(advice, owner, (), [naming(address), host, "~all"], warning=COMPLETE_FIRST)
    advice = advice or "Authorise the address: publish the record below in place of the present one."
    fix = corrected(owner, records, first=[naming(address)], advice=advice)
    if len(records) > 1 or not why.endswith("has no SPF record"):
        return fix
    dead = [term for term in repaired(records[0]).terms if why.startswith(dead_end(term, ""))]
    return without_dead(owner, records, dead, first=[naming(address)]) if dead else fix


def without_dead(owner: str, records: Sequence[bytes], dead: Sequence[str], *, first: Sequence[str] = ()) -> Fix:
    """The fix without an ``include`` or ``redirect`` whose target has no record, or split where two are glued."""
    kept: list[str] = []
    split: list[str] = []
    for term in repaired(records[0]).terms:
        several = glued(term) if term in dead else None
        split += [] if several is None else [f"{clip(term)} becomes {' '.join(several)}"]
        kept += several or (() if term in dead else (term,))
    advice = f"Publish the record without {some(dead)}, whose target authorises nobody, or have the target publish one."
    if split:
        advice = f"Publish the record repaired: {some(split)}."
    return kept_senders(advice, owner, records, kept, first=first)


def glued(term: str) -> tuple[str, ...] | None:
    """What a well-formed term with an impossible name was meant to be: several without blanks, or with a URL."""
    for pattern in (_SEPARATORS.pattern, rf"{_GLUE.pattern}|(?=[~?-]all\Z)"):
        several = [part for part in re.split(pattern, term, flags=re.IGNORECASE) if part]
        if len(several) > 1 and (meant := _several(several)) is not None:
            return meant
    meant = _one_term(term)
    return None if meant == (term,) else meant


def kept_senders(
    advice: str, owner: str, records: Sequence[bytes], kept: Sequence[str], *, first: Sequence[str] = ()
) -> Fix:
    """The fix that publishes *kept*. If these terms name no sender, it is a list to complete, and refuses nobody."""
    new = list(kept)
    if not names_senders(new):
        new = [*([] if first else ["mx"]), *[term for term in new if term.lower() not in _ENDS], "~all"]
        return replacement(advice, owner, records, [*first, *new], warning=COMPLETE_FIRST)
    if not any(term.lstrip("+-~?").lower() == "all" or term.lower().startswith("redirect=") for term in new):
        new.append("~all")
    return replacement(advice, owner, records, [*first, *new])
