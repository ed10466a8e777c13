"""What `check` prints: to the letter for a few, and harmless whatever the DNS said."""

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
from exporter.checks.result import CheckName, IprevVerdict, Reason
from exporter.cli.examination import CheckedAddress, Overall, worst
from exporter.cli.examine import documents
from exporter.cli.subjects import AddressJob
from exporter.cli.text import TextStyle, escaped, markdown, text
from exporter.demo.world import load_scenarios
from tests.strategies import domain_names
from tests.unit.cli.checking import examined

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
    """What both renderings of a case are, without a network."""
    one = examined(*CASES[case], mail_from="bounces@example.org" if case == "right" else None)
    return {"txt": "\n".join(text(one, UNICODE)) + "\n", "md": "\n".join(markdown(one, UNICODE)) + "\n"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["txt", "md"])
def test_to_the_letter(case, kind):
    """What is printed is in golden/, for a person to read; `python -m tests.unit.cli.test_check_output` writes it."""
    assert printed(case)[kind] == (GOLDEN / f"{case}.{kind}").read_text(encoding="utf-8")


def hostile(name, error):
    """What is found where a PTR name, a zone's RNAME and a server's error text are whatever somebody wanted."""
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
    return CheckedAddress(AddressJob(target, frozenset(CheckName), "dedicated"), found, evidence)


@given(domain_names, st.text(max_size=60))
def test_nothing_that_the_dns_says_acts_on_a_terminal(name, error):
    """Every line of text, Markdown and JSON is printable; only the tree's own characters are beyond ASCII."""
    one = hostile(name, error)
    for rendered in (text(one, TextStyle(unicode=False)), markdown(one, TextStyle(unicode=False))):
        for line in rendered:
            assert re.fullmatch(r"[ -~]*", line), line
    for document in documents(one):
        assert re.fullmatch(r"[ -~]*", json.dumps(document, ensure_ascii=False))


@given(domain_names, st.text(max_size=60))
def test_nothing_that_the_dns_says_acts_as_markdown(name, error):
    """What is in a fence stays in it, and prose has no HTML, link or mention but ours."""
    fence = None
    for line in markdown(hostile(name, error), UNICODE):
        mark = re.fullmatch(r" *(`{3,})(text)?", line)
        if fence is None and mark:
            fence = mark[1]
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
    """What Markdown makes of escaped prose is the prose."""
    shown = re.sub(r"\\([\\`*_\[\]#~$^])", r"\1", escaped(prose))
    for entity, character in [("&#124;", "|"), ("&#58;", ":"), ("&#64;", "@"), ("&#46;", "."), ("&lt;", "<")]:
        shown = shown.replace(entity, character)
    assert shown.replace("&gt;", ">").replace("&amp;", "&") == prose


def test_a_name_keeps_its_letters_where_a_sentence_begins_with_it():
    """Nobody may take a capital for a part of the name, least of all who copies it."""
    shown = "\n".join(text(examined("198.51.100.6"), UNICODE))

    assert ". mta7.news.example.net does not resolve" in shown
    assert "Mta7" not in shown
    assert ". No PTR name of" in shown


def test_extended_errors_are_shown_with_their_names():
    """RFC 8914: the code's name, and the server's words, defused."""
    one = hostile(examined("192.0.2.10").examination.report.iprev.ptr_names[0], "no\x1b[31m way")

    shown = "\n".join(text(one, UNICODE))

    assert r"extended DNS error 15 (Blocked): no\x1b[31m way" in shown
    assert r"extended DNS error 65535 (error 65535): no\x1b[31m way" in shown


@pytest.mark.parametrize("scenario", load_scenarios(), ids=lambda it: f"{it.target.address}@{it.at:g}")
def test_json_is_what_the_schema_says(scenario):
    """Every object of the demo world, with all of its keys and no other."""
    for document in documents(examined(str(scenario.target.address))):
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


def test_the_schema_has_the_same_words_as_the_code():
    """A new check, reason or receiver has to get into the schema."""
    defined = SCHEMA["$defs"]
    assert defined["check"]["enum"] == [it.value for it in CheckName]
    assert defined["receiver_id"]["enum"] == [it.value for it in Receiver]
    assert defined["iprev_verdict"]["enum"] == [it.value for it in IprevVerdict]
    assert defined["status"]["enum"] == [it.value for it in Status]
    assert defined["reason"]["enum"] == [*[it.value for it in Reason], None]


def test_colours_say_nothing_that_marks_do_not():
    """Without its colours, what a terminal gets is what a file gets."""
    one = examined("198.51.100.6")
    coloured = "\n".join(text(one, TextStyle(colour=True)))

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "\n".join(text(one, UNICODE))


def test_a_finding_outweighs_what_is_not_known():
    """The exit code of many is that of the worst."""
    assert worst([Overall.PASS, Overall.INCONCLUSIVE, Overall.FINDING]) is Overall.FINDING
    assert worst([Overall.INCONCLUSIVE, Overall.PASS]) is Overall.INCONCLUSIVE
    assert worst([]) is Overall.PASS


def test_what_is_not_expected_decides_nothing():
    """A check outside of the expectations is no finding; an unknown one inside of them makes it inconclusive."""
    one = examined("198.51.100.137")

    assert one.overall is Overall.INCONCLUSIVE
    assert replace(one, job=replace(one.job, expect=frozenset({CheckName.HELO_SYNTAX}))).overall is Overall.PASS


if __name__ == "__main__":
    for each in CASES:
        for suffix, content in printed(each).items():
            (GOLDEN / f"{each}.{suffix}").write_text(content, encoding="utf-8")
