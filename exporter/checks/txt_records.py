"""Tag lists, the syntax that DKIM, DMARC, MTA-STS and TLS-RPT records share (RFC 6376 section 3.2).

The rule of this file: it knows the syntax and no tag. Octets that are not ASCII stay visible as escapes.
"""

from dataclasses import dataclass
from functools import lru_cache

_WHITE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Tags:
    """A tag list that was read: *pairs* in order of appearance, names as written.

    *problem* says what is wrong with the list itself; it is "" for a well-formed one.
    """

    pairs: tuple[tuple[str, str], ...]
    problem: str = ""

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag; the first one's, should there be several."""
        return next((value for tag, value in self.pairs if tag == name), default)

    def __contains__(self, name: str) -> bool:
        """Whether there is a tag of this name."""
        return any(tag == name for tag, _ in self.pairs)


@lru_cache(maxsize=1024)
def parse_tags(text: bytes) -> Tags:
    """Read ``name=value; name=value``. White space around names and values does not count."""
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    problem = ""
    for part in text.decode("ascii", "backslashreplace").split(";"):
        if not part.strip(_WHITE):
            continue
        name, equals, value = part.partition("=")
        name = name.strip(_WHITE)
        if not equals or not name.replace("_", "a").isalnum():
            problem = problem or f"{clip(part.strip(_WHITE))} is no tag of the form name=value"
            continue
        if name in seen:
            problem = problem or f"the tag {clip(name)} occurs more than once"
        seen.add(name)
        pairs.append((name, value.strip(_WHITE)))
    return Tags(tuple(pairs), problem)


def clip(text: str, limit: int = 80) -> str:
    """A text from a record, short enough for a sentence, without control characters."""
    shown = "".join([character if character.isprintable() else f"\\{ord(character):03d}" for character in text])
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


# SECTION exporter.checks.zone_lines
# Lines of a zone file (RFC 1035 section 5.1), for a person to copy.
#
# The rule of this file: what it writes, a DNS server reads back as the same octets.

_MAX_STRING = 255


def txt_line(owner: str, text: bytes) -> str:
    """A TXT record; a long text is split into strings of 255 octets, which readers join again."""
    pieces = [text[at : at + _MAX_STRING] for at in range(0, len(text), _MAX_STRING)] or [b""]
    return " ".join([f"{owner}. TXT", *map(_quoted, pieces)])


def _quoted(text: bytes) -> str:
    return '"' + "".join([_character(octet) for octet in text]) + '"'


def _character(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{chr(octet)}"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"
