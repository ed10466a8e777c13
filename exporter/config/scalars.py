"""What a plain (unquoted) YAML scalar means.

The rule of this file: only what every YAML reader takes for the same thing is taken at all. YAML 1.1 reads ``no`` as
false, ``010`` as 8 and ``1:30`` as 90; YAML 1.2 does not. A person who writes one of them means one of the two, and a
mail server's address or name is the wrong place to guess.
"""

import re
from collections.abc import Callable

Scalar = str | int | float | bool | None

_PLAIN: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_MAX_DIGITS = 18
_LONGEST_WORD = 3  # of those in dispute: yes, off


class AmbiguousError(ValueError):
    """A scalar that YAML readers disagree about; says what to write instead."""


def _base60(text: str) -> str:
    whole = text.lstrip("+-").replace("_", "").partition(".")[0]
    value = 0
    for part in whole.split(":"):
        value = value * 60 + int(part)
    return str(value)


def _to(value: str, mend: str) -> Callable[[str], str]:
    return lambda text: f"`{text}` means {value} to some YAML readers and text to others: {mend}"


def _number(read: Callable[[str], object]) -> Callable[[str], str]:
    def message(text: str) -> str:
        value = read(text.replace("_", ""))
        return f"`{text}` means {value} to some YAML readers, not to all: write {value}, or quote it if it is text"

    return message


def _octal(text: str) -> str:
    decimal = int(text.replace("_", ""))
    return (
        f"`{text}` means {int(text.replace('_', ''), 8)} to some YAML readers and {decimal} to others: "
        f"write {decimal}, or quote it if it is text"
    )


_COLON_MEND = ("quote it if it is text; a duration is written like 1m30s", "quote it")

_DISPUTED: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"(?i:yes|on|y)"), _to("true", "write true, or quote it if it is text")),
    (re.compile(r"(?i:no|off|n)"), _to("false", "write false, or quote it if it is text")),
    (re.compile(r"[-+]?0[0-7_]*[0-7]"), _octal),
    (re.compile(r"[-+]?0o[0-7]+"), _number(lambda text: int(text, 8))),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]*[0-9a-fA-F]"), _number(lambda text: int(text, 16))),
    (re.compile(r"[-+]?0b[01_]*[01]"), _number(lambda text: int(text, 2))),
    (re.compile(r"[-+]?[0-9][0-9_]*"), _number(int)),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        lambda text: _to(f"the number {_base60(text)}", _COLON_MEND[text.count(":") > 2])(text),
    ),
    (
        re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"),
        lambda text: (
            f"`{text}` is a number to some YAML readers, not to all: write it like 0.5, or quote it if it is text"
        ),
    ),
    (re.compile(r"[-+]?\.(?i:inf|nan)"), _to("no finite number", "write a finite one, or quote it if it is text")),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?", re.DOTALL), _to("a date", "quote it")),
    (re.compile(r"=|<<"), _to("something special", "quote it")),
)


def read_plain(text: str) -> Scalar:
    """What the plain scalar *text* means. Raises `AmbiguousError` where readers of YAML disagree."""
    if text in _PLAIN:
        return _PLAIN[text]
    if len(text) > _LONGEST_WORD and text[0].isalpha():
        return text
    if _INTEGER.fullmatch(text) or _DECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise AmbiguousError(f"{text[:_MAX_DIGITS]}... is too long for a number: quote it if it is text")
        return float(text) if "." in text else int(text)
    if len(text) <= 64:  # nothing that is in dispute is longer
        for pattern, message in _DISPUTED:
            if pattern.fullmatch(text):
                raise AmbiguousError(message(text))
    return text
