"""What `make soak` is made of, without the soak."""

import subprocess
import sys
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from exporter.config.load import parse
from exporter.errors import ConfigError
from exporter.inventory.build import build
from tests.soak.load import Measured, Reader, fallen, read
from tests.soak.nameserver import answer
from tests.soak.reloads import steps
from tests.soak.report import Run, report, watched_lines

STEPS = steps("127.0.0.1:53", 1024, "30s")
GOOD = [step for step in STEPS if step.is_good]


def exposition(step, ips=("10.255.0.1",), samples=5, conclusive=100.0):
    """A scrape of the configuration *step* that shows some addresses of the pool that is kept."""
    return "\n".join(
        [
            "# TYPE maildns_pool_addresses gauge",
            *[f'maildns_pool_addresses{{pool="{name}"}} {size}' for name, size in step.sizes.items()],
            "# TYPE maildns_samples_total counter",
            f'maildns_samples_total{{pool="kept",check="fcrdns",result="pass"}} {samples}',
            "# TYPE maildns_last_conclusive_sample_timestamp_seconds gauge",
            *[f'maildns_last_conclusive_sample_timestamp_seconds{{pool="kept",ip="{ip}"}} {conclusive}' for ip in ips],
            "",
        ]
    )


def test_every_text_of_the_soak_is_as_good_as_it_says():
    """The good ones have the pools and sizes that a scrape must show, the bad ones are refused."""
    for step in STEPS:
        if step.is_good:
            assert {pool.name: pool.size for pool in build(parse(step.text, "soak"))} == step.sizes
        else:
            with pytest.raises(ConfigError):
                parse(step.text, "soak")


def test_a_scrape_of_two_generations_is_none_of_them():
    """Each configuration's scrape fits it alone; one with a pool, a size or an address of another fits none."""
    for step in GOOD:
        scrape = read(exposition(step))
        assert [other.sizes for other in GOOD if scrape.fits(other)] == [step.sizes]
        assert not read(exposition(step, ips=("10.255.1.1",))).fits(step)
    mixed = read(exposition(GOOD[1]) + 'maildns_pool_addresses{pool="renamed"} 3\n')
    assert not any(mixed.fits(step) for step in GOOD)


def test_what_falls_is_told():
    """A counter that is less or gone, a time that goes back, an address that is forgotten: each is something lost."""
    before = read(exposition(GOOD[0]))
    assert not fallen(before, read(exposition(GOOD[0], samples=6, conclusive=101.0)))
    for after in (
        exposition(GOOD[0], samples=4),
        exposition(GOOD[0], conclusive=99.0),
        exposition(GOOD[0], ips=()),
    ):
        assert len(fallen(before, read(after))) == 1


def test_a_scrape_after_a_reload_is_held_to_the_configuration_in_use():
    """What fits another configuration is all right while one is being loaded, and an error afterwards."""
    measured = Measured()
    reader = Reader(measured, STEPS)
    reader.take(exposition(GOOD[0]))
    reader.take(exposition(GOOD[1]), GOOD[1])
    assert not measured.mixed
    reader.take(exposition(GOOD[0]), GOOD[1])
    assert len(measured.mixed) == 1


def lines(since, **known):
    """A watch's lines: quiet seconds, and from one of ten on those with what is in *held*."""
    quiet = {"tasks": 5, "threads": 3, "descriptors": 20, "memory": 2**26, "wall": 0.01, "cpu": 0.01, "what": ""}
    return [{"at": at, **quiet, **(known if at >= since else {})} for at in range(10)]


@pytest.mark.parametrize(
    ("since", "known", "status"),
    [
        pytest.param(0, {}, 0, id="nothing-grew"),
        pytest.param(5, {"wall": 3.0}, 0, id="others-had-the-processor"),
        pytest.param(5, {"memory": 2**27}, 0, id="the-outage-took-memory-once"),
        pytest.param(5, {"cpu": 0.2}, 1, id="it-held-the-loop-itself"),
        pytest.param(8, {"tasks": 11}, 1, id="tasks-leak"),
        pytest.param(8, {"threads": 6}, 1, id="threads-leak"),
        pytest.param(8, {"descriptors": 26}, 1, id="descriptors-leak"),
        pytest.param(8, {"memory": 2**27}, 1, id="memory-grows"),
        pytest.param(5, {"tasks": 50}, 1, id="tasks-of-the-outage-stay"),
        pytest.param(5, {"descriptors": 60}, 1, id="descriptors-of-the-outage-stay"),
        pytest.param(0, {"memory": 2**29}, 1, id="more-memory-than-there-may-be"),
    ],
)
def test_the_table_fails_for_what_is_out_of_bounds(capsys, since, known, status):
    """Each bound alone makes the run fail, and one line says which."""
    measured = Measured(scrape_seconds=[0.1], reload_seconds=[0.1], lags=[0.01], samples=1.0)
    assert report(Run("title", measured, lines(since, **known), 0)) == status
    assert capsys.readouterr().out.count("FAIL") == status


@pytest.mark.slow
def test_the_watch_names_what_held_the_loop(tmp_path):
    """A callback that burns processor time is in the second's line by its name; one that sleeps is not."""
    program = """
import asyncio, sys, time
from tests.soak.watched import install
install(open(sys.argv[1], "w", buffering=1), 0.3)
def burn():
    end = time.thread_time() + 0.1
    while time.thread_time() < end: pass
async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(time.sleep, 0.2)
    await asyncio.sleep(0.4)
    loop.call_soon(burn)
    await asyncio.sleep(0.4)
    await asyncio.sleep(0.4)
asyncio.run(main())
"""
    path = tmp_path / "lines"
    subprocess.run([sys.executable, "-c", program, path], check=True, cwd=Path(__file__).parents[2], timeout=60)
    seen = watched_lines(path, 0.0)
    (burnt,) = [line for line in seen if line["what"]]
    assert (burnt["cpu"] >= 0.1, "burn" in burnt["what"], burnt["tasks"], burnt["threads"]) == (True, True, 1, 1)
    assert max(line["wall"] for line in seen if line is not burnt) >= 0.2
    assert max(line["cpu"] for line in seen if line is not burnt) < 0.1


@pytest.mark.parametrize(
    ("name", "rdtype", "helo"),
    [
        ("3.2.1.10.in-addr.arpa.", "PTR", "mta-10-1-2-3.example.org."),
        ("mta-10-1-2-3.example.org.", "A", "10.1.2.3"),
        ("mta-10-1-2-3.example.org.", "AAAA", None),
        (".", "NS", "."),
        ("0123.invalid.", "A", "NXDOMAIN"),
    ],
)
def test_its_server_knows_every_address(name, rdtype, helo):
    """There and back, and the canary."""
    query = dns.message.make_query(name, rdtype)
    reply = dns.message.from_wire(answer(query.to_wire()))

    assert reply.id == query.id
    if helo == "NXDOMAIN":
        assert reply.rcode() == dns.rcode.NXDOMAIN
    else:
        assert [record.to_text() for rrset in reply.answer for record in rrset] == ([helo] if helo else [])
