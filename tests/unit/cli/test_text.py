"""The output of `check`: exact for some cases, and harmless whatever the DNS answers."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, ExtendedError, Question, StartOfAuthority, Status
from exporter.checks.check import run_check
from exporter.checks.examination import examine
from exporter.checks.receivers import Receiver
from exporter.checks.report import Target
from exporter.checks.result import ADDRESS_CHECKS, CheckName, IprevVerdict, Reason
from exporter.cli.examination import CheckedAddress, Overall, worst
from exporter.cli.examine import documents
from exporter.cli.subjects import AddressJob
from exporter.cli.text import TextStyle, escaped, markdown, text
from exporter.demo.world import load_scenarios
from tests.strategies import domain_names
from tests.unit.cli.checking import checked_address

GOLDEN = Path(__file__).with_name("golden")
SCHEMA = json.loads(Path("docs/check.schema.json").read_text(encoding="utf-8"))
UNICODE = TextStyle()

CASES = {
    "right": ("192.0.2.10",),
    "microsoft": ("157.56.110.65",),
    "no-ptr": ("198.51.100.9",),
    "forward-elsewhere": ("198.51.100.6",),
    "outage": ("198.51.100.137",),
    "literal": ("203.0.113.2",),
    "hostile": ("203.0.113.133",),
    "escape-sequences": ("203.0.113.132",),
}


def printed(case):
    """A case as text and as Markdown, without a network."""
    one = checked_address(*CASES[case], mail_from="bounces@example.org" if case == "right" else None)
    return {"txt": "\n".join(text(one, UNICODE)) + "\n", "md": "\n".join(markdown(one, UNICODE)) + "\n"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["txt", "md"])
def test_the_exact_output(case, kind):
    """The output is in golden/; `python -m tests.unit.cli.test_text` writes it."""
    assert printed(case)[kind] == (GOLDEN / f"{case}.{kind}").read_text(encoding="utf-8")


def hostile(name, error):
    """A result with a hostile PTR name, RNAME and error text."""
    target = Target(Address.parse("192.0.2.1"))
    reverse = Question(target.address.reverse_name, "PTR")

    def answer(question):
        if question == reverse:
            return Answer(Status.ANSWER, (name,), errors=(ExtendedError(15, error),))
        if question.rdtype == "SOA":
            return Answer(Status.ANSWER, (StartOfAuthority(name, name, 1),))
        if question.rdtype == "NS":
            return Answer(Status.ANSWER, (name,))
        return Answer(Status.NXDOMAIN, errors=(ExtendedError(65535, error),))

    found, evidence = run_check(examine(target), answer)
    return CheckedAddress(AddressJob(target, frozenset(ADDRESS_CHECKS), "dedicated"), found, evidence)


@given(domain_names, st.text(max_size=60))
def test_text_from_the_dns_does_nothing_on_a_terminal(name, error):
    """Every line of text, Markdown and JSON is printable ASCII, apart from the characters of the tree."""
    one = hostile(name, error)
    for rendered in (text(one, TextStyle(unicode=False)), markdown(one, TextStyle(unicode=False))):
        for line in rendered:
            assert re.fullmatch(r"[ -~]*", line), line
    for document in documents(one):
        assert re.fullmatch(r"[ -~]*", json.dumps(document, ensure_ascii=False))


@given(domain_names, st.text(max_size=60))
def test_text_from_the_dns_is_never_markdown(name, error):
    """A fence is not closed from inside, and prose has no HTML, link or mention but ours."""
    fence = None
    for line in markdown(hostile(name, error), UNICODE):
        fence_line = re.fullmatch(r" *(`{3,})(text)?", line)
        if fence is None and fence_line:
            fence = fence_line[1]
        elif fence is not None:
            fence = None if line.strip() == fence else fence
        else:
            ours = re.sub(r"</?(details|summary)>", "", line)
            assert "<" not in ours
            assert not re.search(r"(?<!\\)(?:\\\\)*[`\[\]]", ours), line
            assert "://" not in ours
    assert fence is None


@given(st.text(st.sampled_from("\\`*_[]<>&|#~$^ab.@:/w-"), max_size=40))
def test_escaping_loses_nothing(prose):
    """Markdown shows escaped prose as it was."""
    shown = re.sub(r"\\([\\`*_\[\]#~$^])", r"\1", escaped(prose))
    for entity, character in [("&#124;", "|"), ("&#58;", ":"), ("&#64;", "@"), ("&#46;", "."), ("&lt;", "<")]:
        shown = shown.replace(entity, character)
    assert shown.replace("&gt;", ">").replace("&amp;", "&") == prose


def test_a_name_keeps_its_letters_at_the_beginning_of_a_sentence():
    """A capital letter would look like a part of the name."""
    shown = "\n".join(text(checked_address("198.51.100.6"), UNICODE))

    assert ". mta7.news.example.net does not resolve" in shown
    assert "Mta7" not in shown
    assert ". No PTR name of" in shown


def test_extended_errors_are_shown_with_their_names():
    """RFC 8914: the name of the code, and the server's text, escaped."""
    one = hostile(checked_address("192.0.2.10").examination.report.iprev.ptr_names[0], "no\x1b[31m way")

    shown = "\n".join(text(one, UNICODE))

    assert r"extended DNS error 15 (Blocked): no\x1b[31m way" in shown
    assert r"extended DNS error 65535 (error 65535): no\x1b[31m way" in shown


@pytest.mark.parametrize("scenario", load_scenarios(), ids=lambda it: f"{it.target.address}@{it.at:g}")
@pytest.mark.slow
def test_json_is_valid(scenario):
    """Every object of the demo world has all keys of the schema and no others."""
    for document in documents(checked_address(str(scenario.target.address))):
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


def test_the_schema_has_the_same_values_as_the_code():
    """A new check, reason or receiver has to be in the schema."""
    defined = SCHEMA["$defs"]
    assert defined["check"]["enum"] == [it.value for it in ADDRESS_CHECKS]
    assert defined["receiver_id"]["enum"] == [it.value for it in Receiver]
    assert defined["iprev_verdict"]["enum"] == [it.value for it in IprevVerdict]
    assert defined["status"]["enum"] == [it.value for it in Status]
    assert defined["reason"]["enum"] == [*[it.value for it in Reason], None]


def test_colours_add_nothing_to_symbols():
    """Without its colours, the output on a terminal equals that in a file."""
    one = checked_address("198.51.100.6")
    coloured = "\n".join(text(one, TextStyle(colour=True)))

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "\n".join(text(one, UNICODE))


def test_a_finding_outweighs_an_unknown():
    """The exit code of several results is that of the worst."""
    assert worst([Overall.PASS, Overall.INCONCLUSIVE, Overall.FINDING]) is Overall.FINDING
    assert worst([Overall.INCONCLUSIVE, Overall.PASS]) is Overall.INCONCLUSIVE
    assert worst([]) is Overall.PASS


def test_an_unexpected_check_does_not_count():
    """It is not a finding; an expected check with an unknown result makes the outcome inconclusive."""
    one = checked_address("198.51.100.137")

    assert one.overall is Overall.INCONCLUSIVE
    assert replace(one, job=replace(one.job, expect=frozenset({CheckName.HELO_SYNTAX}))).overall is Overall.PASS


if __name__ == "__main__":
    for each in CASES:
        for suffix, content in printed(each).items():
            (GOLDEN / f"{each}.{suffix}").write_text(content, encoding="utf-8")
