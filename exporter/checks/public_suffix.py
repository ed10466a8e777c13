"""Public suffixes: names such as ``org`` and ``co.uk``, below which anybody may register a domain.

The list is data of the package publicsuffixlist. It is read when the first name is looked up, which takes 40 ms.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from exporter.checks.names import DomainName

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=4096)
def registrable_domain(name: str) -> DomainName | None:
    """The public suffix of *name* and one label more: what somebody registered; None for a public suffix itself.

    A top-level domain that is not on the list counts as a public suffix, as the list's rules say. See
    `is_in_known_suffix`.
    """
    domain = _suffixes().privatesuffix(name)
    return None if domain is None else DomainName.trusted(domain)


@lru_cache(maxsize=4096)
def is_public_suffix(name: str) -> bool:
    """Whether *name* is a public suffix on the list."""
    return _suffixes().publicsuffix(name, accept_unknown=False) == name


@lru_cache(maxsize=4096)
def is_in_known_suffix(name: str) -> bool:
    """Whether *name* is, or is below, a public suffix on the list; a private or reserved top-level domain is not."""
    return _suffixes().publicsuffix(name, accept_unknown=False) is not None


@cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PSLFILE, PublicSuffixList  # most runs need no suffix

    rules = []
    with open(PSLFILE, encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            rule = line.split(None, 1)[0] if line.strip() else "//"
            if not rule.startswith("//"):
                # The library would encode every rule, which takes 80 ms. Names from the DNS are ASCII.
                rules.append(rule if rule.isascii() else rule.encode("idna").decode("ascii"))
    return PublicSuffixList(rules, accept_encoded_idn=False)
