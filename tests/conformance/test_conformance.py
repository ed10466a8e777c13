"""Runs the cases of this folder: what the RFCs say, as data that outlives the code."""

import re
from pathlib import Path

import pytest

from exporter.checks.addresses import Address
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.checks.result import CheckName
from tests.factories import World, name, target
from tests.yaml_files import read_yaml

HERE = Path(__file__).parent


def cases(file):
    """Read the cases of a file, each named after itself."""
    loaded = read_yaml((HERE / file).read_text())
    return [pytest.param(case, id=re.sub(r"[^a-z0-9]+", "-", case["case"].lower())) for case in loaded]


def sample(case):
    """Judge the case's target in the case's zone."""
    helos = [case["helo"]] if "helo" in case else []
    suffix = name(case["suffix"]) if "suffix" in case else None
    return run_check(report(target(case["target"], *helos), suffix=suffix), World.parse(case["zone"]))[0]


@pytest.mark.parametrize("case", cases("iprev.yaml"))
def test_iprev(case):
    """The verdict and its reason are those of RFC 8601."""
    judged = sample(case)

    assert judged.iprev.verdict == case["verdict"], case["spec"]
    assert judged.iprev.finding.reason == case.get("reason"), case["spec"]


@pytest.mark.parametrize("case", cases("helo.yaml"))
def test_helo(case):
    """Each check of address and name passes, or has the reason that its section gives."""
    judged = sample(case)
    reasons = {finding.check.value: finding.reason.value for finding in judged.findings[1:] if finding.reason}

    assert reasons == case["reasons"], case["spec"]


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


@pytest.mark.parametrize("case", [*cases("iprev.yaml"), *cases("helo.yaml"), *cases("names.yaml")])
def test_every_case_cites_its_source(case):
    """No case without a section: a reader must be able to check it against the text."""
    assert re.search(r"RFC [0-9]+|KB [0-9]+", case["spec"])


def test_every_check_of_a_name_is_covered():
    """Each HELO check has a case in which it fails."""
    failing = {check for it in cases("helo.yaml") for check in it.values[0]["reasons"]}

    assert failing == {check.value for check in CheckName if check.value.startswith("helo-")}
