"""TLS and passwords in the chart: the schemes of probes, monitors and `helm test`, and the web configuration."""

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
        pytest.param({"content": {"tls_server_config": MUTUAL}}, "HTTPS", False, id="client-certificates"),
        pytest.param({"existingSecret": "theirs"}, "HTTPS", True, id="existing"),
        pytest.param({"existingSecret": "theirs", "tls": False}, "HTTP", True, id="existing-without-tls"),
        pytest.param(
            {"existingSecret": "theirs", "clientCertificates": True},
            "HTTPS",
            False,
            id="existing-with-client-certificates",
        ),
        pytest.param(
            {"existingSecret": "theirs", "tls": False, "content": {"tls_server_config": MUTUAL}},
            "HTTP",
            True,
            id="existing-takes-precedence",
        ),
    ],
)
def test_probes_and_scrapes_use_the_right_scheme(web, scheme, is_open):
    """HTTPS only with TLS. If client certificates are required, probes only check the port."""
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


def test_a_disabled_web_configuration_has_no_effect():
    """No Secret, no flag, no mount, and HTTP, even with other keys of `webConfig` set."""
    objects = render({"webConfig": {"content": {"tls_server_config": TLS}, "tlsSecret": "maildns-tls"}})
    container = charts.exporter_container(objects)

    assert charts.of_kind(objects, "Secret") == []
    assert not any("web.config" in argument for argument in container["args"])
    assert [mount["name"] for mount in container["volumeMounts"]] == ["configuration"]
    assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTP"


def test_a_changed_web_configuration_restarts_nothing():
    """The exporter reads it again by itself, so the pod template has no checksum of it."""
    one, other = (
        charts.workload(render({"webConfig": {"enabled": True, "content": {**USERS, "rate_limit": {"burst": burst}}}}))
        for burst in (1, 2)
    )

    assert one == other


@pytest.mark.integration
def test_promtool_accepts_the_web_configuration(tmp_path):
    """The rendered file has exporter-toolkit's format, including the certificate."""
    values = ci_values("web-config")
    del values["webConfig"]["content"]["rate_limit"]  # Debian's promtool is too old for it
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
        pytest.param({"existingSecret": "a", "tls": False}, set(), id="unknown-content"),
    ],
)
def test_the_install_text_name_missing_credentials(values, wanted):
    """It names the monitor whose scrapes would fail, and the missing key."""
    text = charts.install_text({"webConfig": {"enabled": True, **values}, "serviceMonitor": {"enabled": True}})

    hints = {"serviceMonitor.basicAuth is empty", "serviceMonitor.tlsConfig is empty"}
    assert {hint for hint in hints if hint in text} == wanted


def test_a_probe_requests_the_addresses_of_the_configuration():
    """Its targets are the single addresses, its path is `/probe` below the route prefix, and it has its own job."""
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


def test_probe_targets_replace_the_addresses_of_the_configuration():
    """`probe.targets` takes precedence over the configuration."""
    probe = charts.one(render({"probe": {"enabled": True, "targets": ["198.51.100.1"]}}), "Probe")

    assert probe["spec"]["targets"]["staticConfig"]["static"] == ["198.51.100.1"]
