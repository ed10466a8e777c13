"""What is known of domains, and of block lists, outlives the process: real kills, a real file, a real DNS."""

import json
import sqlite3
from contextlib import closing

import pytest

from exporter.checks.addresses import Address
from exporter.demo.world import Episode, World
from exporter.state.storage.database import MIGRATIONS, VERSION
from exporter.views.documents import rfc3339
from tests.fakes import FakeClock
from tests.integration.keeping import Dns, configuration, process
from tests.integration.servers.process import wait_until

pytestmark = pytest.mark.integration

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RECORDS = [
    ". SOA ns. host. 1 3600 900 604800 1",
    ". NS ns.",
    "1.2.0.192.in-addr.arpa. PTR mail1.example.org.",
    "mail1.example.org. A 192.0.2.1",
    "example.org. MX 10 mail1.example.org.",
    'example.org. TXT "v=spf1 ip4:192.0.2.0/24 -all"',
    '_dmarc.example.org. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"',
    f's1._domainkey.example.org. TXT "{KEY}"',
    f's2._domainkey.example.org. TXT "{KEY}"',
]
ADDRESSES = [{"ip": "192.0.2.1", "helo": "mail1.example.org"}]
LATER = 100.0
HEALTHY = "maildns_domain_healthy"
LAST = "maildns_domain_last_sample_timestamp_seconds"


def fixed_later(clock):
    """A world in which one key is missing until the clock says so."""
    missing = Episode("loss", 1e6, -1, LATER, withdrawn=(("s2._domainkey.example.org.", "TXT"),))
    return World(RECORDS, episodes=[missing], clock=clock)


def domains(**domain):
    """The section of domains."""
    return {"domains": [{"name": "example.org", "interval": "10s", "dkim_selectors": ["s1", "s2"], **domain}]}


def known(exporter):
    """What the API has of the domain, but for what is counted anew by each process."""
    return json.loads(exporter.get("/api/v1/domains/example.org")[1])


def series(exporter):
    """The gauges about domains, as they stand in the exposition."""
    lines = exporter.get("/metrics")[1].splitlines()
    return sorted(one for one in lines if one.startswith("maildns_domain_") and "_total{" not in one)


def test_what_is_known_of_domains_is_there_after_a_kill(tmp_path):
    """API, page and metrics say the same with the same times before any answer; then a fix is a change, once."""
    storage, clock = tmp_path / "maildns.db", FakeClock()
    with Dns(fixed_later(clock)) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES, domains(interval="1h"))
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 0)
            exporter.wait_until_ready()
            seen = known(exporter), series(exporter)
            wait_until(lambda: _kept(storage) == [seen[0]["sampled_at"]], "it is in the file")
            exporter.kill()

        with Dns(fixed_later(clock)) as silent:
            silent.silence()
            configuration(path, silent.address, storage, ADDRESSES, domains(interval="1h"))
            with process(path) as exporter:
                exporter.wait_until_ready()
                again = known(exporter)
                assert again == seen[0]
                assert series(exporter) == seen[1]
                page = exporter.get("/domains/example.org")[1]
                assert "s2._domainkey.example.org" in page
                assert "192.0.2.0/24" in page
                assert json.loads(exporter.get("/api/v1/changes")[1])["data"] == []
                exporter.kill()

        clock.seconds = LATER + 1
        configuration(path, dns.address, storage, ADDRESSES, domains())
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 1)
            (change,) = json.loads(exporter.get("/api/v1/changes")[1])["data"]
            assert (change["domain"], change["check"], change["subject"]) == ("example.org", "dkim", "s2")
            assert exporter.end() == 0


def _kept(storage):
    """When each domain was sampled, as the file has it beside a running exporter."""
    with closing(sqlite3.connect(f"file:{storage}?mode=ro", uri=True)) as connection:
        return [rfc3339(at) for (at,) in connection.execute("SELECT sampled_at FROM domains")]


def test_a_selector_that_left_the_configuration_meanwhile_is_gone(tmp_path):
    """Neither its key nor its fault is shown; what is known of the rest is."""
    storage = tmp_path / "maildns.db"
    with Dns(fixed_later(FakeClock())) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES, domains())
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 0)
            assert exporter.end() == 0
        dns.silence()
        configuration(path, dns.address, storage, ADDRESSES, domains(dkim_selectors=["s1"]))
        with process(path) as exporter:
            exporter.wait_for("maildns_domain_dkim_key_valid", 1)
            assert exporter.value("maildns_domain_problem") is None
            assert exporter.value("maildns_domain_spf_valid") == 1
            assert [key["selector"] for key in known(exporter)["dkim"]] == ["s1"]
            assert exporter.end() == 0


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_file_of_any_older_version_is_migrated(tmp_path, version):
    """The exporter goes on with it, and keeps there what that version could not keep."""
    storage = tmp_path / "maildns.db"
    with closing(sqlite3.connect(storage)) as connection:
        connection.executescript("".join(MIGRATIONS[:version]))
        connection.executescript(f"PRAGMA application_id = {0x6D61646E}; PRAGMA user_version = {version};")
    with Dns(fixed_later(FakeClock())) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES, domains())
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 0)
            assert exporter.value("maildns_storage_ok") == 1
            assert exporter.end() == 0
        dns.silence()
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 0)
            assert exporter.end() == 0


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    """The exporter watches without a storage, and says why."""
    storage = tmp_path / "maildns.db"
    with closing(sqlite3.connect(storage)) as connection:
        connection.executescript("".join(MIGRATIONS))
        connection.executescript(f"PRAGMA application_id = {0x6D61646E}; PRAGMA user_version = {VERSION + 1};")
    before = storage.read_bytes()
    with Dns(fixed_later(FakeClock())) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES, domains())
        with process(path) as exporter:
            exporter.wait_for(HEALTHY, 0)
            wait_until(
                lambda: (exporter.value("maildns_storage_errors_total", reason="foreign") or 0) >= 1, "it was tried"
            )
            assert exporter.value("maildns_storage_ok") == 0
            assert "newer exporter" in exporter.get("/exporter")[1]
            assert exporter.end() == 0
    assert storage.read_bytes() == before


HOSTS = range(1, 31)
LISTED = "192.0.2.20"
POOL = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in HOSTS]
LIST = [
    *RECORDS[:2],
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in HOSTS],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
    "2.0.0.127.bl.example. A 127.0.0.2",
]
LISTING = ["20.2.0.192.bl.example. A 127.0.0.4", '20.2.0.192.bl.example. TXT "spam"']
SAMPLES = "maildns_samples_total"


def test_what_block_lists_said_is_there_after_a_kill(tmp_path):
    """It goes on counting in every sample, and nobody is looked up before their time, the listed one neither."""
    storage = tmp_path / "maildns.db"
    lists = {"dnsbls": [{"zone": "bl.example", "interval": "1h", "codes": {"127.0.0.4": "XBL"}}]}
    with Dns(World([*LIST, *LISTING])) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, POOL, lists)
        with process(path) as exporter:
            exporter.wait_for("maildns_dnsbl_listed", 1)
            wait_until(lambda: _bytes(storage).count(1) == len(HOSTS) - 1, "what the list said is in the file")
            wait_until(lambda: "dnsbl-listed" in _state(storage, LISTED), "and what the sample made of it")
            exporter.kill()
    with Dns(World(LIST)) as dns:  # it is listed no more, but its turn comes only in half an hour
        configuration(path, dns.address, storage, POOL, lists)
        with process(path) as exporter:
            exporter.wait_until_ready()
            assert exporter.value("maildns_dnsbl_listed", ip=LISTED) == 1
            wait_until(lambda: (exporter.value(SAMPLES, check="fcrdns") or 0) >= len(HOSTS), "a round")
            assert exporter.value(SAMPLES, check="dnsbl", result="unknown") == 0
            assert exporter.value("maildns_dnsbl_listed") == 1
            assert exporter.value("maildns_dnsbl_usable", dnsbl="bl.example") == 1
            assert "listed in bl.example: XBL" in exporter.get(f"/api/v1/addresses/{LISTED}")[1]
            assert exporter.end() == 0


def _bytes(storage):
    """What the file has of the list, one byte an address, beside a running exporter."""
    with closing(sqlite3.connect(f"file:{storage}?mode=ro", uri=True)) as connection:
        return b"".join(codes for (codes,) in connection.execute("SELECT codes FROM listings"))


def _state(storage, address):
    """What the file has of an address, beside a running exporter."""
    with closing(sqlite3.connect(f"file:{storage}?mode=ro", uri=True)) as connection:
        query = "SELECT state FROM addresses WHERE address = ?"
        return "".join(state for (state,) in connection.execute(query, (Address.parse(address).packed,)))
