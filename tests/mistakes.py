"""Ways in which people break the text of a TXT record: a grammar of mistakes, for properties of fixes."""

import re

from hypothesis import strategies as st


def _last_first(text):
    version, _, rest = text.partition("; ")
    return f"{rest}; {version}"


def _capitals(text):
    return re.sub(r"v=[A-Za-z]+\d*", lambda version: version[0].lower(), text, count=1)


SPELLING = (
    lambda text: f" {text}",
    lambda text: f"\t{text}",
    lambda text: f'"{text}"',
    lambda text: f'"{text}',
    lambda text: f"'{text}'",
    lambda text: f"\u201c{text}\u201d",
    lambda text: f"\ufeff{text}",
    lambda text: text.replace(";", "\\;"),
    lambda text: text.replace("; ", ";\u00a0"),
    lambda text: text.replace(";", "\uff1b"),
    lambda text: f"IN TXT {text}",
    lambda text: f"{text};;",
    lambda text: f"{text} ",
    _capitals,
    _last_first,
)
"""What is wrong with the text as a whole."""

SEPARATORS = (
    lambda text: text.replace("; ", " ", 1),
    lambda text: text.replace("; ", " "),
    lambda text: text.replace("; ", ", "),
    lambda text: text.replace("; ", ",", 1),
    lambda text: text.replace("; ", " | "),
    lambda text: text.replace("; ", "", 1),
    lambda text: text.replace("; ", ";;"),
)
"""What is wrong between tags, which are joined by a semicolon and a blank."""

ADDRESSES = (
    lambda text: text.replace("=mailto:", "="),
    lambda text: text.replace("mailto:", "mailto: "),
    lambda text: text.replace("mailto:", "mailto://"),
    lambda text: text.replace(",mailto:", ",", 1),
    lambda text: text.replace(",mailto:", ";mailto:"),
    lambda text: text.replace(",mailto:", " mailto:"),
)
"""What is wrong with report addresses."""


def broken(text, *more):
    """Draw *text* with a mistake or two: at most one of each kind."""
    kinds = [st.sampled_from(kind) for kind in (ADDRESSES, *more, SEPARATORS, SPELLING)]
    wanted = st.sets(st.integers(0, len(kinds) - 1), min_size=1, max_size=2)

    def apply(chosen):
        made = st.just(text)
        for index in sorted(chosen):
            made = st.builds(lambda it, mistake: mistake(it), made, kinds[index])
        return made

    return wanted.flatmap(apply)
