"""What to publish in place of an SPF record that says the wrong thing.

The rule of this file: every record that it writes is well-formed, whatever the record that it starts from.
"""

from collections.abc import Sequence

from exporter.checks.addresses import Address
from exporter.checks.spf.terms import BadTerm, read_record
from exporter.checks.verdicts import Mend
from exporter.checks.zone_lines import txt_line

_VERSION = "v=spf1"


def naming(address: Address) -> str:
    """The term that names one address."""
    return f"ip{address.family}:{address}"


def terms(record: bytes) -> list[str]:
    """The terms of a record that can stay in it: well-formed, and no modifier for the second time."""
    kept: list[str] = []
    modifiers: set[str] = set()
    for octets in record[len(_VERSION) :].split(b" "):
        read = read_record(b"v=spf1 " + octets)
        if not octets or isinstance(read, BadTerm):
            continue
        term = octets.decode("ascii")
        if read.redirect is not None or read.exp is not None:
            name = term.partition("=")[0].lower()
            if name in modifiers:
                continue
            modifiers.add(name)
        kept.append(term)
    return kept


def merged(records: Sequence[bytes]) -> list[str]:
    """The terms of several records as one: everything that authorises, then the first ``all`` or ``redirect``."""
    kept: list[str] = []
    last: list[str] = []
    for term in dict.fromkeys([term for record in records for term in terms(record)]):
        name = term.lstrip("+-~?").lower()
        if name == "all" or name.startswith("redirect="):
            last.append(term)
        elif "=" not in term.partition(":")[0]:
            kept.append(term)
    return kept + last[:1]


def replacement(advice: str, owner: str, records: Sequence[bytes], new: Sequence[str]) -> Mend:
    """Publish a record of these terms in place of *records*."""
    text = " ".join([_VERSION, *new]).encode("ascii")
    return Mend(
        advice,
        zone=owner,
        records=(txt_line(owner, text),),
        replaces=tuple([txt_line(owner, record) for record in records]),
    )


def authorising(address: Address, owner: str, records: Sequence[bytes], *, advice: str = "") -> Mend:
    """Name the address first in the record, where no term before it and no limit can stand in its way."""
    if not records:
        said = advice or f"Publish an SPF record for {owner} that authorises the address."
        return replacement(said, owner, (), [naming(address), "-all"])
    said = advice or "Authorise the address: publish the record below in place of the present one."
    kept = terms(records[0]) if len(records) == 1 else merged(records)
    return replacement(said, owner, records, [naming(address), *kept])
