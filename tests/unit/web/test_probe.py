"""What `/probe` asks for, within what time, and what it tells; tests/integration/web/test_probe.py asks a real DNS."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import yaml
from multidict import CIMultiDict, MultiDict
from yarl import URL

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.state.address import AddressState
from exporter.state.board import Board
from exporter.web.api import TIMEOUT_HEADER, Probe, explain
from exporter.web.search import BadQueryError
from tests.factories import World, hosts, name, target

CONFIGURATION = {
    "pools": [
        {
            "name": "corporate",
            "expect": ["fcrdns", "helo-syntax"],
            "helo_names": ["pool.example.org"],
            "addresses": [
                {"ip": "192.0.2.10", "helo": ["mail.example.org", "Other.example.org"]},
                {"ip": "192.0.2.11", "helo": "eleven.example.org"},
            ],
        },
        {"name": "others", "helo_names": ["others.example.org"], "addresses": [{"ip": "2001:db8::1"}]},
    ]
}
OPENMETRICS = "application/openmetrics-text;version=1.0.0;escaping=underscores"


def fleet():
    """A board with two pools, of which nothing is known."""
    board = Board()
    board.publish(build(parse(yaml.safe_dump(CONFIGURATION), "test.yml")))
    return board


@dataclass
class Probed:
    """A probe of that board, with all that it asks of its ports."""

    board: Board = field(default_factory=fleet)
    sampled: list[tuple[str, list[str], AddressState, float]] = field(default_factory=list)
    rendered: list[tuple[str, AddressState, str]] = field(default_factory=list)

    async def sample(self, pool, wanted, known, seconds):
        """Give the state of an address of which nothing is known."""
        self.sampled.append((pool.name, [helo.text for helo in wanted.helos], known, seconds))
        return AddressState(wanted)

    def render(self, pool, state, seconds, accept):
        """Give an exposition of one line, and say its type."""
        assert seconds >= 0
        self.rendered.append((pool.name, state, accept))
        return b"exposition\n", f"type of {accept}"

    async def ask(self, query, **headers):
        """Ask for `/probe` with these headers, whose names have underscores here."""
        named = CIMultiDict({key.replace("_", "-"): value for key, value in headers.items()})
        request = SimpleNamespace(query=MultiDict(URL(f"/probe?{query}", encoded=True).query), headers=named)
        return await Probe(self.board, self.sample, self.render).serve(request)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, 10.0, id="nothing-said"),
        pytest.param("10", 9.5, id="half-a-second-less"),
        pytest.param("1.5", 1.0, id="fractions"),
        pytest.param("1", 0.5, id="half-of-a-second-is-half-a-second"),
        pytest.param("0.6", 0.3, id="at-most-half-of-it-is-taken-off"),
        pytest.param("3600", 119.5, id="two-minutes-at-most"),
    ],
)
async def test_a_sample_ends_before_the_scraper_gives_up(header, seconds):
    """The header says when; half a second of it is left for the answer, or half of it where it is shorter."""
    probed = Probed()

    await probed.ask("target=192.0.2.10", **({} if header is None else {TIMEOUT_HEADER.replace("-", "_"): header}))

    assert [one[3] for one in probed.sampled] == [pytest.approx(seconds)]
    assert [accept for _, _, accept in probed.rendered] == [""]


@pytest.mark.parametrize(
    ("query", "pool", "helos"),
    [
        ("target=192.0.2.10", "corporate", ["mail.example.org", "Other.example.org"]),
        ("target=192.0.2.10&helo=", "corporate", ["mail.example.org", "Other.example.org"]),
        ("target=%20192.0.2.10%20", "corporate", ["mail.example.org", "Other.example.org"]),
        ("target=192.0.2.10&helo=Other.example.org", "corporate", ["Other.example.org"]),
        ("target=192.0.2.10&helo=pool.example.org", "corporate", ["pool.example.org"]),
        ("target=192.0.2.10&helo=eleven.example.org", "corporate", ["eleven.example.org"]),
        ("target=2001:DB8:0::1", "others", []),
        ("target=2001:db8::1&helo=others.example.org", "others", ["others.example.org"]),
        ("target=192.0.2.10&debug=false", "corporate", ["mail.example.org", "Other.example.org"]),
    ],
)
async def test_what_is_configured_is_sampled(query, pool, helos):
    """An address with its own HELO names, or with one of them or of its pool; what is known of it goes along."""
    probed = Probed()

    answer = await probed.ask(query, Accept=OPENMETRICS)

    ((sampled_pool, helo, known, _),) = probed.sampled
    state, index = probed.board.find(known.target.address)
    assert (sampled_pool, helo) == (pool, helos)
    assert known == state[index]
    assert [(of, sampled.target.address, accept) for of, sampled, accept in probed.rendered] == [
        (pool, known.target.address, OPENMETRICS)
    ]
    assert answer.body == b"exposition\n"
    assert answer.headers["Content-Type"] == f"type of {OPENMETRICS}"
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("query", "headers", "why"),
    [
        ("", {}, "target is not an IPv4 or IPv6 address, like"),
        ("target=mail.example.org", {}, "target is not an IPv4 or IPv6 address, like"),
        ("target=192.0.2.0/24", {}, "target is not an IPv4 or IPv6 address, like"),
        ("target=192.0.2.12", {}, "target is in none of the configured pools"),
        ("target=192.0.2.10&target=192.0.2.11", {}, "target is given 2 times"),
        ("target=192.0.2.10&helo=mail.example.net", {}, "helo is not a configured HELO name of this address"),
        ("target=192.0.2.10&helo=others.example.org", {}, "helo is not a configured HELO name of this address"),
        ("target=192.0.2.10&helo=MAIL.example.org", {}, "helo is not a configured HELO name of this address"),
        ("target=192.0.2.10&debug=yes", {}, "debug is neither true nor false"),
        ("target=192.0.2.10&debug=TRUE", {}, "debug is neither true nor false"),
        ("target=192.0.2.10", {"x_prometheus_scrape_timeout_seconds": "0"}, f"{TIMEOUT_HEADER} is not a positive"),
    ],
)
async def test_nothing_else_is_sampled(query, headers, why):
    """What cannot be read, or is not configured, is told what would be right, before anything is asked."""
    probed = Probed()

    with pytest.raises(BadQueryError, match=why):
        await probed.ask(query, **headers)

    assert probed.sampled == probed.rendered == []


async def test_debugging_explains_first_and_shows_the_exposition_as_text():
    """Prometheus' plain text follows the words, whatever form the client would accept."""
    probed = Probed()

    answer = await probed.ask("target=192.0.2.11&debug=true", Accept=OPENMETRICS)

    first, helo, blank, last = answer.text.splitlines()
    assert first.startswith("# 192.0.2.11 of the pool corporate, sampled in 0.")
    assert first.endswith(" s of 10 s")
    assert (helo, blank, last) == ("# HELO eleven.example.org", "", "exposition")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert [accept for _, _, accept in probed.rendered] == [""]


def test_every_finding_and_answer_is_explained():
    """Results with their reasons, what is not expected, sentences and fixes; then each question with its answer."""
    mta = target("192.0.2.10", "mail.example.org")
    findings, _ = run_check(report(mta), World.parse("mail.example.org A 192.0.2.99"))
    helo = Answer(Status.ANSWER, hosts("192.0.2.99").records, (name("a\\027b.example"),), 300, "[::1]:53", 1.5)
    evidence = {
        Question(mta.address.reverse_name, "PTR"): Answer(Status.NXDOMAIN),
        Question(DomainName("mail.example.org"), "A"): helo,
        Question(DomainName("mail.example.org"), "AAAA"): Answer(Status.NODATA, server="odd\x1b", asked_at=2.0),
    }
    state, _ = AddressState(mta).observe(findings, evidence, 7.0)
    (pool, _) = (one.pool for one in fleet().pools.values())

    lines = explain(pool, state, 0.25, 4.5).splitlines()

    assert lines[:2] == ["# 192.0.2.10 of the pool corporate, sampled in 0.250 s of 4.5 s", "# HELO mail.example.org"]
    assert lines[2:4] == [
        "# fcrdns: fail (ptr-nxdomain)",
        "#   192.0.2.10 has no PTR name: 10.2.0.192.in-addr.arpa does not exist.",
    ]
    assert "#   10.2.0.192.in-addr.arpa. PTR mail.example.org." in lines
    assert "# helo-syntax of mail.example.org: pass" in lines
    assert "# helo-resolves of mail.example.org: pass (not expected to pass)" in lines
    assert "# helo-address-match of mail.example.org: fail (helo-mismatch) (not expected to pass)" in lines
    assert lines[-3:] == [
        "# 10.2.0.192.in-addr.arpa PTR: NXDOMAIN",
        r"# mail.example.org A: 192.0.2.99 via a\027b.example from [::1]:53 at 1970-01-01T00:00:01.500Z, TTL 300 s",
        r"# mail.example.org AAAA: NODATA from odd\x1b at 1970-01-01T00:00:02.000Z, TTL 0 s",
    ]
    assert "#   " not in lines


def test_of_an_unsampled_address_there_is_only_the_heading():
    """A state without a report has no findings to tell."""
    (pool, _) = (one.pool for one in fleet().pools.values())

    assert explain(pool, AddressState(target("192.0.2.11")), 1.0, 2.0) == (
        "# 192.0.2.11 of the pool corporate, sampled in 1.000 s of 2 s\n"
    )
