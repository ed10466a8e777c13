"""Lines of a zone file (RFC 1035 section 5.1), for a person to copy.

The rule of this file: what it writes, a DNS server reads back as the same octets.
"""

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
