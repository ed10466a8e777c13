"""Runs the cases of this folder: what the RFCs say, as data that outlives the code."""

import re
from pathlib import Path

import pytest

from exporter.checks.addresses import Address
from exporter.checks.check import run_check
from exporter.checks.dmarc import dmarc
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS, Result
from tests.factories import World, name, target
from tests.yaml_files import read_yaml

HERE = Path(__file__).parent


def cases(file):
    """Read the cases of a file, each named after itself."""
    loaded = read_yaml((HERE / file).read_text())
    return [pytest.param(case, id=re.sub(r"[^a-z0-9]+", "-", case["case"].lower())) for case in loaded]


def sample(case):
    """Judge the case's target in the case's zone."""
    suffix = name(case["suffix"]) if "suffix" in case else None
    return run_check(report(targeted(case), suffix=suffix), World.parse(case["zone"]))[0]


def targeted(case):
    """The address of the case, with its HELO name if it has one."""
    return target(case["target"], *([case["helo"]] if "helo" in case else []))


@pytest.mark.parametrize("case", cases("iprev.yaml"))
def test_iprev(case):
    """The verdict and its reason are those of RFC 8601."""
    judged = sample(case)

    assert judged.iprev.verdict == case["verdict"], case["spec"]
    assert judged.iprev.finding.reason == case.get("reason"), case["spec"]
    finding = judged.iprev.finding
    compare(case, finding, case.get("fix"), lambda world: run_check(report(targeted(case)), world)[0].findings[0])


def compare(case, finding, records, again):
    """Compare the sentence and the fix with the case; applied, the fix ends in a pass."""
    assert case.get("says", "") in finding.sentence
    if finding.fix is None:
        return
    assert case.get("advises", "") in finding.fix.advice
    if records is not None:
        assert list(finding.fix.records) == records, finding.fix.advice
        assert list(finding.fix.replaces) == case.get("removes", [])
    if finding.fix.records or finding.fix.replaces:
        assert again(World.parse(case["zone"]).apply(finding.fix)).reason is None


@pytest.mark.parametrize("case", cases("helo.yaml"))
def test_helo(case):
    """Each check of address and name passes, or has the reason that its section gives."""
    judged = sample(case)
    reasons = {finding.check.value: finding.reason.value for finding in judged.findings[1:] if finding.reason}

    assert reasons == case["reasons"], case["spec"]
    failing = [finding for finding in judged.findings[1:] if finding.result is Result.FAIL]
    assert not failing or any(case.get("says", "") in finding.sentence for finding in failing)
    assert not failing or any(case.get("advises", "") in finding.fix.advice for finding in failing)
    for check, records in case.get("fix", {}).items():
        finding = next(finding for finding in failing if finding.check == check)
        assert list(finding.fix.records) == records
        if records:
            again = run_check(report(targeted(case)), World.parse(case["zone"]).apply(finding.fix))[0]
            assert next(it for it in again.findings if it.check == check).result is Result.PASS


@pytest.mark.parametrize("case", cases("mx.yaml"))
def test_mail_to_a_domain(case):
    """The reason of the finding or hint, its sentence and its fix are those of the case."""
    check = {"mx": mx, "mta-sts": mta_sts, "tls-rpt": tls_rpt, "dmarc": dmarc}[case["check"]]

    def judged(world):
        found = run_check(check(name("example.com")), world)[0]
        return found.findings[0] if case["check"] == "dmarc" else found.finding, getattr(found, "hints", ())

    finding, hints = judged(World.parse(case["zone"]))
    assert finding.reason == case.get("reason"), case["spec"]
    assert [hint.reason for hint in hints] == ([case["hint"]] if "hint" in case else [])
    compare(case, hints[0] if hints else finding, case.get("fix"), lambda world: judged(world)[0])


@pytest.mark.parametrize("case", [it for it in cases("names.yaml") if "text" in it.values[0]])
def test_names(case):
    """A name has the canonical form, the equals and the fitness for a host that its section gives."""
    if case["canonical"] == "invalid":
        with pytest.raises(ValueError):  # noqa: PT011  # the words are for the unit tests
            DomainName(case["text"])
        return
    read = DomainName(case["text"])

    assert read == case["canonical"], case["spec"]
    assert read.is_hostname is case["hostname"], case["spec"]
    assert all(DomainName(text) == read for text in case.get("equals", [])), case["spec"]
    assert all(DomainName(text) != read for text in case.get("differs", [])), case["spec"]


@pytest.mark.parametrize("case", [it for it in cases("names.yaml") if "address" in it.values[0]])
def test_addresses(case):
    """An address has the text and the reverse-map name that its section gives."""
    if case["reverse"] == "invalid":
        with pytest.raises(ValueError):  # noqa: PT011  # the words are for the unit tests
            Address.parse(case["address"])
        return
    read = Address.parse(case["address"])

    assert read.reverse_name == case["reverse"], case["spec"]
    assert str(read) == case.get("written", case["address"]), case["spec"]


@pytest.mark.parametrize("case", [*cases("iprev.yaml"), *cases("helo.yaml"), *cases("names.yaml"), *cases("mx.yaml")])
def test_every_case_cites_its_source(case):
    """No case without a section: a reader must be able to check it against the text."""
    assert re.search(r"RFC [0-9]+|KB [0-9]+", case["spec"])


def test_every_check_of_a_name_is_covered():
    """Each HELO check has a case in which it fails."""
    failing = {check for it in cases("helo.yaml") for check in it.values[0]["reasons"]}

    assert failing == {check.value for check in ADDRESS_CHECKS if check.value.startswith("helo-")}
