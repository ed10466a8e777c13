"""Changes of addresses and domains, for tests of the storage."""

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result
from exporter.state.journal import Change, Journal, JournalEntry
from tests.factories import address, name, target

PASSES = Finding(CheckName.FCRDNS, Result.PASS)


def lost(number: int, at: float) -> Change:
    """The address with this number loses its PTR record."""
    ip = f"192.0.2.{number}"
    fix = Fix("Publish a PTR record.", "2.0.192.in-addr.arpa", (f"{number}.2.0.192.in-addr.arpa. PTR a.example.org.",))
    reason = Reason.PTR_NXDOMAIN
    broken = Finding(CheckName.FCRDNS, Result.FAIL, "", reason, f"{ip} has no PTR name.", fix)
    evidence = {Question(address(ip).reverse_name, "PTR"): Answer(Status.NXDOMAIN, server="127.0.0.1:53", asked_at=at)}
    return Change(target(ip, "a.example.org"), PASSES, broken, at, evidence)


def weakened(at: float) -> Change:
    """A domain's DKIM key is revoked."""
    before = Finding(CheckName.DKIM, Result.PASS, "s1")
    after = Finding(CheckName.DKIM, Result.FAIL, "s1", Reason.DKIM_REVOKED, "It is revoked.")
    return Change(name("example.org"), before, after, at)


def written(count: int, began: float) -> list[JournalEntry]:
    """A journal of *count* changes, a second apart, each tenth of them about a domain."""
    journal = Journal()
    for number in range(count):
        if number % 10 == 9:
            journal.write("", weakened(began + number))
        else:
            journal.write("odd" if number % 2 else "even", lost(number % 250 + 1, began + number))
    return journal.entries()
