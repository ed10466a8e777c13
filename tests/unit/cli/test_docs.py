"""docs/verdicts.md and docs/cli.md match the code."""

import re
from pathlib import Path

import click
import pytest

from exporter.checks.receivers import DEFAULT_RECEIVERS, POLICIES
from exporter.checks.result import ADDRESS_CHECKS, DOMAIN_CHECKS, IprevVerdict, Reason
from exporter.cli.main import cli
from tests.unit.cli.checking import demo

VERDICTS = Path("docs/verdicts.md").read_text(encoding="utf-8")
CLI = Path("docs/cli.md").read_text(encoding="utf-8")


def rows(page, heading):
    """The rows of every table under a heading, without the header rows."""
    section = re.split(r"^#+ ", page.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    tables = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for table in tables for row in table.splitlines()[2:]]


def first_cells(page, heading):
    """The first cell of each row under a heading."""
    return [row[0].strip("`") for row in rows(page, heading)]


@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("Forward-confirmed reverse DNS", IprevVerdict),
        ("Checks", ADDRESS_CHECKS),
        ("Checks of a domain", DOMAIN_CHECKS),
        ("Receivers", POLICIES),
    ],
)
def test_every_value_is_documented_and_no_other(heading, values):
    """The tables have exactly the values of the enums."""
    assert sorted(first_cells(VERDICTS, heading)) == sorted(map(str, values))


def test_every_reason_is_documented_and_no_other():
    """Those of addresses and those of domains have a table each; SPF's are in the first."""
    documented = [*first_cells(VERDICTS, "Reasons"), *first_cells(VERDICTS, "Domains")]
    assert sorted(documented) == sorted(map(str, Reason))


def test_reasons_of_unknown_are_documented_separately():
    """They are the reasons that are not the address's fault."""
    section = VERDICTS.split("The reason of an `unknown`", 1)
    unknown = {reason for reason in Reason if f"| `{reason}` |" in section[1].split("## Domains")[0]}
    assert unknown == {
        *[
            Reason(it)
            for it in (
                "timeout",
                "servfail",
                "dnssec-bogus",
                "refused",
                "network",
                "tls",
                "malformed",
                "chain",
                "canary",
            )
        ],
        Reason.LOCAL_DATA,
        Reason.DNSBL_BLOCKED,
        Reason.DNSBL_PENDING,
        Reason.DNSBL_UNTRUSTED,
        Reason.UNCONFIRMED,
        Reason.DISAGREEMENT,
    }


def test_receivers_have_their_sources_and_the_short_list_is_the_default():
    """The page has the source of each, and which are predicted by default."""
    for receiver, _, is_short, source in rows(VERDICTS, "Receivers"):
        policy = next(it for it in POLICIES if f"`{it}`" == receiver)
        assert source == POLICIES[policy].source
        assert (is_short == "yes") == (policy in DEFAULT_RECEIVERS)


@pytest.mark.parametrize(
    ("heading", "command"), [("Serving", cli), ("check", cli.commands["check"]), ("changes", cli.commands["changes"])]
)
def test_every_flag_is_documented_and_no_other(heading, command):
    """The tables have the flags of the commands, and their defaults."""
    documented = {flag: row[1] for row in rows(CLI, heading) for flag in re.findall(r"--[\w.-]+", row[0])}
    context = click.Context(command, **command.context_settings)
    options = [it for it in command.get_params(context) if isinstance(it, click.Option)]

    assert set(documented) == {option.opts[-1] for option in options}
    for option in options:
        default = option.get_default(context)
        default = default[0] if isinstance(default, list | tuple) and default else default
        if option.show_default and default:
            assert documented[option.opts[-1]] == f"`{default}`", option.name


async def test_the_example_is_what_comes_out(tmp_path):
    """`check` prints the example on the page."""
    (example,) = re.findall(r"```text\n(198\.51\.100\.1,.*?)```", CLI, re.DOTALL)
    async with demo(tmp_path) as here:
        finished = await here.check_ad_hoc("198.51.100.1", "--helo", "mta1.news.example.net")

    assert finished.out.startswith(example)
