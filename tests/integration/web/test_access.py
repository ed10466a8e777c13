"""Who gets in: TLS, client certificates and passwords, through a real Prometheus and by hand."""

import asyncio
import shutil
import ssl
from pathlib import Path

import bcrypt
import pytest
import yaml

from exporter.errors import ConfigError
from tests.integration.servers.process import DEADLINE_SECONDS, wait_until
from tests.integration.servers.prometheus import Prometheus, promtool
from tests.integration.serving import configuration_text, hurried, serving
from tests.integration.web.certificates import Authority

pytestmark = [pytest.mark.integration]

HEALTH = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CONFIGURATION = hurried(configuration_text("127.0.0.1:9", [{"ip": "192.0.2.10"}]), 600)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def write(folder: Path, **sections) -> Path:
    """Write a web configuration."""
    path = folder / "web.yml"
    path.write_text(yaml.safe_dump(sections))
    return path


def serving_with(web_config: Path, **options):
    """Run the exporter with a web configuration."""
    return serving(lambda: CONFIGURATION, web_config=web_config, **options)


def hashed(password: str) -> str:
    """A hash as htpasswd makes it."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


async def greeted(address: str, context: ssl.SSLContext, octets: bytes = HEALTH) -> tuple[bytes, int]:
    """Ask over TLS: what is answered, and the serial number of the server's certificate."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        certificate = writer.get_extra_info("peercert")
        writer.write(octets)
        return await reader.read(), int(certificate["serialNumber"], 16)
    finally:
        writer.close()


async def is_turned_away(address: str, context: ssl.SSLContext) -> bool:
    """Whether there is no answer: in TLS 1.3 a client hears of that only after its own part of the handshake."""
    try:
        return (await greeted(address, context))[0] == b""
    except (ssl.SSLError, ConnectionError):
        return True


def trusting(authority: Authority, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client's context, with or without a certificate of its own."""
    context = ssl.create_default_context(cafile=authority.certificate)
    if client is not None:
        context.load_cert_chain(*client)
    return context


async def test_prometheus_scrapes_over_tls_with_a_password_and_a_certificate(authority, tmp_path):
    """With what its `tls_config` and `basic_auth` say; without the certificate or the password it gets nothing."""
    authority.sign("server", "IP:127.0.0.1")
    client, client_key = authority.sign("prometheus", "DNS:prometheus.example.org")
    web_config = write(
        tmp_path,
        tls_server_config={
            "cert_file": "server.crt",
            "key_file": "server.key",
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": "authority.crt",
        },
        basic_auth_users={"prometheus": hashed("right")},
    )
    assert promtool("check", "web-config", web_config).returncode == 0
    tls = {"ca_file": str(authority.certificate), "cert_file": str(client), "key_file": str(client_key)}
    right = {"scheme": "https", "tls_config": tls, "basic_auth": {"username": "prometheus", "password": "right"}}
    wrong = {**right, "basic_auth": {"username": "prometheus", "password": "wrong"}}
    bare = {**right, "tls_config": {"ca_file": str(authority.certificate)}}

    async with serving_with(web_config) as exporter:
        for scrape, error in ((right, None), (wrong, "401 Unauthorized"), (bare, "")):
            with Prometheus([exporter.address], scrape=scrape, interval="3s") as prometheus:
                await prometheus.wait_for(f"up == {int(error is None)}")
                assert error is None or await is_turned_down(prometheus, error)


async def is_turned_down(prometheus: Prometheus, error: str) -> bool:
    """Wait until Prometheus says that it has nothing for this reason: on a busy machine it may be for its time-out."""

    def told() -> bool:
        last = prometheus.targets()[0]["lastError"]
        return bool(last) and error in last and "deadline exceeded" not in last

    await asyncio.to_thread(wait_until, told, f"a scrape that ends with {error or 'anything but a time-out'}")
    return True


async def test_our_example_is_what_promtool_takes(authority, tmp_path):
    """With the certificates that it names beside it."""
    authority.sign("server", "IP:127.0.0.1")
    shutil.copy(authority.certificate, tmp_path / "clients.crt")
    shutil.copy("docs/web.example.yml", tmp_path)

    checked = promtool("check", "web-config", tmp_path / "web.example.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_a_new_certificate_is_used_for_new_connections_and_a_bad_one_is_not(authority, tmp_path):
    """Nobody is refused meanwhile, and a connection that is open goes on."""
    certificate, key = authority.sign("server", "IP:127.0.0.1")
    web_config = write(tmp_path, tls_server_config={"cert_file": str(certificate), "key_file": str(key)})
    context = trusting(authority)
    async with serving_with(web_config) as exporter:
        host, port = exporter.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        _, first = await greeted(exporter.address, context)

        authority.sign("server", "IP:127.0.0.1")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (serial := (await greeted(exporter.address, context))[1]) == first:
                await asyncio.sleep(0.02)

        key.write_text("no key any more")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not exporter.service._access.problems:
                assert (await greeted(exporter.address, context))[1] == serial
                await asyncio.sleep(0.02)
        assert (await greeted(exporter.address, context))[1] == serial

        writer.write(HEALTH)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_only_named_certificates_come_in(authority, tmp_path):
    """Signed is not enough where names are asked for; old TLS is not spoken."""
    certificate, key = authority.sign("server", "IP:127.0.0.1")
    named = authority.sign("prometheus", "DNS:prometheus.example.org")
    other = authority.sign("other", "DNS:other.example.org")
    tls = {"cert_file": str(certificate), "key_file": str(key), "client_ca_file": str(authority.certificate)}
    tls |= {"client_auth_type": "RequireAndVerifyClientCert", "client_allowed_sans": ["prometheus.example.org"]}
    async with serving_with(write(tmp_path, tls_server_config=tls | {"min_version": "TLS13"})) as exporter:
        assert (await greeted(exporter.address, trusting(authority, named)))[0].startswith(b"HTTP/1.1 200 ")
        assert (await greeted(exporter.address, trusting(authority, other)))[0].startswith(b"HTTP/1.1 403 ")
        assert await is_turned_away(exporter.address, trusting(authority))
        old = trusting(authority, named)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await is_turned_away(exporter.address, old)


async def test_without_a_password_only_health_is_answered(tmp_path):
    """Every other path is closed, also one that is not there; who restarts the exporter needs no key."""
    web_config = write(tmp_path, basic_auth_users={"alice": hashed("right")})
    async with serving_with(web_config) as exporter:
        for path in (
            "/",
            "/metrics",
            "/config",
            "/probe?target=192.0.2.10",
            "/api/v1/pools",
            "/static/style.css",
            "/x",
        ):
            assert (await exporter.ask(path))[0] == 401, path
        assert (await exporter.ask("/-/healthy"))[0] == 200
        right = {"Authorization": "Basic YWxpY2U6cmlnaHQ="}
        assert (await exporter.ask("/metrics", right))[0] == 200
        assert (await exporter.ask("/x", right))[0] == 404


async def test_a_changed_password_is_in_force_at_once(tmp_path):
    """The old one, though remembered, opens nothing any more."""
    web_config = write(tmp_path, basic_auth_users={"alice": hashed("wrong")})
    right = {"Authorization": "Basic YWxpY2U6cmlnaHQ="}
    async with serving_with(web_config) as exporter:
        assert (await exporter.ask("/metrics", right))[0] == 401
        write(tmp_path, basic_auth_users={"alice": hashed("right")})
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await exporter.ask("/metrics", right))[0] != 200:
                await asyncio.sleep(0.05)
        write(tmp_path, basic_auth_users={"bob": hashed("right")})
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await exporter.ask("/metrics", right))[0] != 401:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}\n"], ids=["empty", "comment", "no-keys"])
async def test_an_emptied_file_does_not_open_the_door(tmp_path, content):
    """Passwords stay, the log and the status have the reason, and a good file ends it."""
    web_config = write(tmp_path, basic_auth_users={"alice": hashed("right")})
    async with serving_with(web_config) as exporter:
        web_config.write_text(content)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not exporter.service._access.problems:
                await asyncio.sleep(0.02)
        assert (await exporter.ask("/metrics"))[0] == 401
        assert "is empty" in exporter.service._access.problems[0]

        write(tmp_path, rate_limit={"interval": "1ms", "burst": 1000})
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await exporter.ask("/metrics"))[0] != 200:
                await asyncio.sleep(0.02)


async def test_more_requests_than_the_limit_get_a_429(tmp_path):
    """A burst passes, the next one has to wait; health does not count."""
    async with serving_with(write(tmp_path, rate_limit={"interval": "1h", "burst": 3})) as exporter:
        assert [(await exporter.ask("/config"))[0] for _ in range(4)] == [200, 200, 200, 429]
        assert (await exporter.ask("/-/healthy"))[0] == 200


async def test_headers_of_the_web_configuration_are_sent(tmp_path):
    """They come on top of ours; an empty one takes ours away."""
    headers = {"Strict-Transport-Security": "max-age=1", "X-Frame-Options": ""}
    async with serving_with(write(tmp_path, http_server_config={"headers": headers})) as exporter:
        host, port = exporter.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEALTH)
        answer = (await reader.read()).decode()
        writer.close()

    assert "Strict-Transport-Security: max-age=1\r\n" in answer
    assert "X-Frame-Options" not in answer
    assert "Content-Security-Policy: default-src 'none'" in answer


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/pools", "/-/healthy", "/nothing", "/-/reload"])
async def test_no_other_site_can_frame_a_page_or_add_to_it(path):
    """Whatever is answered, errors included, says that no page may frame it and that no script but ours runs."""
    async with serving(lambda: CONFIGURATION) as exporter:
        host, port = exporter.address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEALTH.replace(b"/-/healthy", path.encode()))
        head = (await reader.read()).partition(b"\r\n\r\n")[0].decode()
        writer.close()

    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("deny", "nosniff")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_bad_web_configuration_does_not_start(tmp_path):
    """Better closed than open."""
    for content in (
        {"basic_auth_users": {"alice": "secret"}},
        {"tls_server_config": {"cert_file": "a", "key_file": "b"}},
    ):
        with pytest.raises(ConfigError):
            async with serving_with(write(tmp_path, **content)):
                pass
