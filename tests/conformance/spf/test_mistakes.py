"""SPF records as people break them: the sentence names the mistake, and the fix repairs the record without loss."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.result import CheckName, Reason
from exporter.checks.spf.domain import spf_domain
from exporter.checks.spf.evaluate import spf_finding, spf_mailfrom
from exporter.checks.spf.fixes import repaired
from exporter.checks.spf.terms import SpfRecord, read_record
from tests.factories import World, address, name
from tests.yaml_files import read_yaml

CASES = read_yaml(Path(__file__).with_name("mistakes.yml").read_text(encoding="utf-8"))
DOMAIN = name("example.com")


def judged(world):
    """The findings and hints about the domain."""
    report, _ = run_check(spf_domain(DOMAIN), world)
    return [*report.findings, *report.hints]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_mistake_is_explained_and_repaired(case):
    """The sentence says what is wrong, the fix is the record repaired, and it ends the fault and brings no other."""
    world = World.parse("\n".join(case["zone"]))
    found = judged(world)
    reasons = {it.reason for it in found} - {None}
    if case["reason"] is None:
        assert not reasons
        return
    one = next(it for it in found if it.reason == case["reason"])
    for text in case.get("says", []):
        assert text in one.sentence
    assert case.get("advises", "") in (one.fix.advice if one.fix else "")
    if "fix" in case:
        assert list(one.fix.records) == case["fix"]
    for text in (*case.get("lost", []), *([case["warns"]] if "warns" in case else [])):
        assert text in one.fix.warning
    if one.fix and one.fix.records:
        after = {it.reason for it in judged(world.apply(one.fix))} - {None}
        assert one.reason not in after
        assert after <= reasons


@pytest.mark.parametrize(
    "case", [it for it in CASES if it["reason"] not in {None, "spf-passes-all"}], ids=lambda case: case["id"]
)
def test_no_sender_is_refused_to_authorise_another(case):
    """The fix for an address lets it pass, and refuses all others only where the record did."""
    world = World.parse("\n".join(case["zone"]))
    ours = address("192.0.2.99")
    finding = spf_finding(CheckName.SPF_MAILFROM, ours, run_check(spf_mailfrom(ours, DOMAIN), world)[0])
    (line,) = finding.fix.records
    after, _ = run_check(spf_mailfrom(ours, DOMAIN), world.apply(finding.fix))

    assert after.outcome.reason is None
    published = "".join(case["zone"]).replace("- all", "-all").replace("\\226\\128\\147", "-")
    assert "-all" not in line or "-all" in published
    if finding.reason is Reason.SPF_NONE and not finding.fix.replaces:
        assert finding.fix.warning


SENDERS = (
    "ip4:203.0.113.7", "ip4:198.51.100.0/24", "ip6:2001:db8::1", "ip6:2001:db8:1::/48", "include:_spf.example.net",
    "a:mail.example.net", "mx", "a", "exists:%{i}.example.net",
)  # fmt: skip
MISTAKES = (
    lambda text: text.replace(" ", ", ").replace("v=spf1,", "v=spf1"),
    lambda text: text.replace(":", ": ", 1),
    lambda text: f"{text};",
    lambda text: f"{text}.",
    lambda text: text.replace("ip4:", "ipv4:"),
    lambda text: text.replace("ip4:", "ip6:"),
    lambda text: text.replace("ip6:", "ip4:"),
    lambda text: text.replace("ip4:", ""),
    lambda text: text.replace("ip4:", "a:"),
    lambda text: text.replace("ip4:", "ip4="),
    lambda text: text.replace("ip4:", "IP4: "),
    lambda text: text.replace("198.51.100.0/24", "198.51.100.0/255.255.255.0"),
    lambda text: text.replace("198.51.100.0/24", "198.51.100.*"),
    lambda text: text.replace(" -all", " \u2013all"),
    lambda text: text.replace("-all", "- all"),
    lambda text: text.replace(".7 ", ".7"),
    lambda text: text.replace("v=spf1 ", "v=spf1"),
    lambda text: text.replace("v=spf1", "v=spf1;"),
    lambda text: text.replace("v=spf1", "V = SPF1"),
    lambda text: text.replace("v=spf1", "spf2.0/mfrom,pra"),
    lambda text: f" {text}",
    lambda text: f'"{text}"',
    lambda text: f"\u201c{text}\u201d",
    lambda text: text.replace(" ", "\u00a0"),
    lambda text: text.replace("include:_spf.example.net", "include:http://_spf.example.net/"),
)


@given(
    st.lists(st.sampled_from(SENDERS), min_size=1, max_size=5, unique=True),
    st.sampled_from(["-all", "~all", "?all", "redirect=_spf.example.org"]),
    st.lists(st.sampled_from(MISTAKES), min_size=1, max_size=2),
)
def test_a_repair_keeps_every_sender_and_the_end(senders, end, mistakes):
    """A record with real mistakes is repaired to one that parses, with every term that was there, or names the rest."""
    text = " ".join(["v=spf1", *senders, end])
    for mistake in mistakes:
        text = mistake(text)
    meant = repaired(text.encode())

    assert isinstance(read_record(" ".join(["v=spf1", *meant.terms]).encode()), SpfRecord)
    if not meant.lost:
        wanted = [*senders, end]
        kept = [it.lower().replace("ip4=", "ip4:").rstrip(".,;") for it in meant.terms]
        assert kept == wanted
    else:
        assert not set(meant.lost) & set(meant.terms)
