"""TXT records: tag lists, as DKIM, DMARC, MTA-STS and TLS-RPT use them (RFC 6376 section 3.2), and zone-file lines."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_WHITE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Tags:
    """A tag list: its *pairs* in order, names as written.

    *problem* says what is wrong with its syntax, if anything; *strays* are the parts that are no tags.
    """

    pairs: tuple[tuple[str, str], ...]
    problem: str = ""
    strays: tuple[str, ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag; of several, that of the first."""
        return next((value for tag, value in self.pairs if tag == name), default)

    def __contains__(self, name: str) -> bool:
        """Whether there is a tag with this name."""
        return any(tag == name for tag, _ in self.pairs)


@lru_cache(maxsize=1024)
def parse_tags(text: bytes, *, extensions: bool = False) -> Tags:
    """Read ``name=value; name=value``, without the white space around names and values. Escapes non-ASCII bytes.

    *extensions* allows hyphens and dots in names (RFC 8460 section 3, RFC 8461 section 3.1).
    """
    others = "[_.-]" if extensions else "_"
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    strays: list[str] = []
    problem = ""
    for part in text.decode("ascii", "backslashreplace").split(";"):
        if not part.strip(_WHITE):
            continue
        name, equals, value = part.partition("=")
        name = name.strip(_WHITE)
        if not equals or not re.sub(others, "a", name).isalnum():
            strays.append(part.strip(_WHITE))
            problem = problem or f"{clip(strays[-1])} is no tag of the form name=value"
            continue
        if name in seen:
            problem = problem or f"the tag {clip(name)} occurs more than once"
        seen.add(name)
        pairs.append((name, value.strip(_WHITE)))
    return Tags(tuple(pairs), problem, tuple(strays))


def clip(text: str, limit: int = 80) -> str:
    """Shorten a text from a record for a sentence, and escape its control characters."""
    shown = "".join([character if character.isprintable() else f"\\{ord(character):03d}" for character in text])
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def copies(records: Sequence[bytes]) -> str:
    """What to add to "has several records" if their texts are the same: they are several records all the same."""
    return ": the same text in different strings" if len(set(records)) < len(records) else ""


_MAX_STRING = 255


def txt_line(owner: str, text: bytes) -> str:
    """A TXT record as a line of a zone file (RFC 1035 section 5.1), a long text in strings of 255 bytes."""
    strings = [text[at : at + _MAX_STRING] for at in range(0, len(text), _MAX_STRING)] or [b""]
    return " ".join([f"{owner}. TXT", *[f'"{"".join(map(_character, string))}"' for string in strings]])


def _character(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}"
