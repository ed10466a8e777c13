"""TLS and passwords in the chart: what probes, monitors and `helm test` speak, and what Prometheus' own tool thinks."""

import subprocess

import pytest

from tests.assets import charts
from tests.assets.charts import NEWEST, OLDEST, ci_values, render
from tests.integration.servers.tools import require
from tests.integration.web.certificates import Authority

TLS = {"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"}
MUTUAL = {**TLS, "client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "/tls/ca.crt"}
USERS = {"basic_auth_users": {"prometheus": "$2y$10$X6mUmwAUS3TnsFYGYmHPnuPqfIsxzVGRLfZHXfYtPXYWZkbUbNOWi"}}


@pytest.mark.parametrize(
    ("web", "scheme", "is_open"),
    [
        pytest.param({"content": {"tls_server_config": TLS}}, "HTTPS", True, id="tls"),
        pytest.param({"content": USERS}, "HTTP", True, id="passwords-alone"),
        pytest.param({"content": USERS, "tlsSecret": "maildns-tls"}, "HTTPS", True, id="a-certificate-and-passwords"),
        pytest.param({"tlsSecret": "maildns-tls"}, "HTTPS", True, id="a-certificate-alone"),
        pytest.param({"content": {"tls_server_config": MUTUAL}}, "HTTPS", False, id="certificates-of-clients"),
        pytest.param({"existingSecret": "theirs"}, "HTTPS", True, id="theirs"),
        pytest.param({"existingSecret": "theirs", "tls": False}, "HTTP", True, id="theirs-without-tls"),
        pytest.param({"existingSecret": "theirs", "clientCertificates": True}, "HTTPS", False, id="theirs-for-clients"),
        pytest.param(
            {"existingSecret": "theirs", "tls": False, "content": {"tls_server_config": MUTUAL}},
            "HTTP",
            True,
            id="theirs-counts-before-content",
        ),
    ],
)
def test_probes_and_scrapes_speak_what_is_switched_on(web, scheme, is_open):
    """HTTPS exactly with TLS; where a certificate of the client is required, probes look at the port alone."""
    objects = render({"webConfig": {"enabled": True, **web}, "podMonitor": {"enabled": True}})
    container = charts.exporter_container(objects)

    for found in objects:
        for version in (OLDEST, NEWEST):
            charts.validate(found, version)
    for probe in (container["livenessProbe"], container["readinessProbe"]):
        assert ("httpGet" in probe, "tcpSocket" in probe) == (is_open, not is_open)
        assert probe.get("httpGet", {"scheme": scheme})["scheme"] == scheme
    assert charts.one(objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["scheme"] == scheme.lower()
    assert charts.one(objects, "Pod")["spec"]["containers"][0]["args"][1].startswith(f"{scheme.lower()}://")
    assert "--web.config.file=/etc/maildns-exporter-web/web.yml" in container["args"]


def test_without_it_nothing_of_it_is_there():
    """No Secret, no flag, no mount, and HTTP, even with values that only its switch would use."""
    objects = render({"webConfig": {"content": {"tls_server_config": TLS}, "tlsSecret": "maildns-tls"}})
    container = charts.exporter_container(objects)

    assert charts.of_kind(objects, "Secret") == []
    assert not any("web.config" in argument for argument in container["args"])
    assert [mount["name"] for mount in container["volumeMounts"]] == ["configuration"]
    assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTP"


def test_a_changed_web_configuration_restarts_nothing():
    """The exporter looks at it every second, so the pods stay as they are."""
    one, other = (
        charts.workload(render({"webConfig": {"enabled": True, "content": {**USERS, "rate_limit": {"burst": burst}}}}))
        for burst in (1, 2)
    )

    assert one == other


@pytest.mark.integration
def test_promtool_takes_the_web_configuration(tmp_path):
    """What is rendered is exporter-toolkit's format, certificate and all."""
    values = ci_values("web-config")
    del values["webConfig"]["content"]["rate_limit"]  # Debian's promtool is older than that
    text = charts.one(render(values), "Secret")["stringData"]["web.yml"]
    assert "cert_file: /etc/maildns-exporter-tls/tls.crt" in text
    certificate, key = Authority(tmp_path).sign("tls", "DNS:maildns.example.org")
    assert (certificate.name, key.name) == ("tls.crt", "tls.key")
    (tmp_path / "web.yml").write_text(text.replace("/etc/maildns-exporter-tls", str(tmp_path)))

    done = subprocess.run(
        [require("promtool"), "check", "web-config", "web.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param({"content": USERS}, {"serviceMonitor.basicAuth is empty"}, id="password"),
        pytest.param({"tlsSecret": "a"}, {"serviceMonitor.tlsConfig is empty"}, id="tls"),
        pytest.param({"existingSecret": "a", "tls": False}, set(), id="who-knows"),
    ],
)
def test_notes_say_what_keeps_prometheus_out(values, wanted):
    """A monitor that would be refused is named, and what it lacks."""
    text = charts.rendered_notes({"webConfig": {"enabled": True, **values}, "serviceMonitor": {"enabled": True}})

    hints = {"serviceMonitor.basicAuth is empty", "serviceMonitor.tlsConfig is empty"}
    assert {hint for hint in hints if hint in text} == wanted


def test_a_probe_asks_the_service_for_the_addresses_of_the_configuration():
    """Each address that is named by itself, at the path of `/probe`, below the route prefix, in a job of its own."""
    values = {**ci_values("probe"), "web": {"routePrefix": "/maildns"}}
    objects = render(values)
    probe, service = charts.one(objects, "Probe")["spec"], charts.one(objects, "Service")["metadata"]

    assert probe["targets"]["staticConfig"]["static"] == ["192.0.2.10", "2001:db8::10"]
    assert probe["prober"] == {
        "url": f"{service['name']}.{service['namespace']}.svc:10047",
        "scheme": "http",
        "path": "/maildns/probe",
    }
    assert probe["jobName"] == "mail-maildns-exporter-probe"


def test_targets_that_are_named_are_probed_instead():
    """Whoever names targets has those, whatever the configuration has."""
    probe = charts.one(render({"probe": {"enabled": True, "targets": ["198.51.100.1"]}}), "Probe")

    assert probe["spec"]["targets"]["staticConfig"]["static"] == ["198.51.100.1"]
