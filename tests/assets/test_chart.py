"""The chart lints and renders with Helm's own code, and its objects are valid in a cluster."""

import re

import helm_python
import pytest

from exporter import __version__
from exporter.config.load import parse
from tests.assets import charts
from tests.assets.charts import CHART, NEWEST, OLDEST, VALUES, ci_values, render
from tests.yaml_files import read_yaml

FEATURES = [None, *VALUES]


def values_of(feature: str | None) -> dict:
    """The defaults, or a file in ci/."""
    return {} if feature is None else ci_values(feature)


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.slow
def test_lint_is_silent(feature):
    """Helm's strict lint reports nothing, not even a recommendation."""
    report = helm_python.lint(
        charts.released(), values_of(feature), strict=True, namespace="monitoring", kube_version=f"v{OLDEST}.0"
    )

    assert report["messages"] == []
    assert report["errors"] == []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_object_is_valid(feature, version):
    """Every key of every object exists in its kind, and every value has the right type."""
    objects = render(values_of(feature))

    assert objects
    for found in objects:
        charts.validate(found, version)


def empty(node, path=""):
    """The paths of all keys without a value: a template printed the key of an empty value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * (node is None) + [found for key, value in inner for found in empty(value, f"{path}.{key}")]


@pytest.mark.parametrize("feature", FEATURES)
def test_no_key_is_left_empty(feature):
    """Keys without a value are left out, such as `annotations:` if there are none."""
    assert {found["kind"]: paths for found in render(values_of(feature)) if (paths := empty(found))} == {}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_exporter_accepts_the_configuration(feature):
    """The exporter's own loader accepts the rendered file."""
    objects = render(values_of(feature))
    files = [found.get("data") or found.get("stringData") or {} for found in objects]
    found = [file["maildns.yml"] for file in files if "maildns.yml" in file]
    if feature == "config-existing":
        assert found == []
        return

    (text,) = found
    assert parse(text, "maildns.yml").pools


@pytest.mark.parametrize("feature", FEATURES)
def test_a_pod_is_restricted(feature):
    """Every container of every pod meets the Pod Security Standard "restricted", and no pod mounts a token."""
    specs = list(charts.pod_specs(render(values_of(feature))))

    assert len(specs) == 2
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("feature", FEATURES)
def test_no_mount_is_a_sub_path(feature):
    """The kubelet never updates a file mounted with subPath, so live reload would not work."""
    for spec in charts.pod_specs(render(values_of(feature))):
        for container in spec["containers"]:
            assert not any("subPath" in mount for mount in container.get("volumeMounts", []))


@pytest.mark.parametrize("feature", FEATURES)
def test_selectors_match_the_exporter_only(feature):
    """Every selector matches the exporter's pods and not the pod of `helm test`."""
    objects = render(values_of(feature))
    ours = charts.workload(objects)["spec"]["template"]["metadata"]["labels"].items()
    test = charts.one(objects, "Pod")["metadata"]["labels"].items()
    selectors = [charts.workload(objects)["spec"]["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in charts.of_kind(objects, "Service")]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in charts.of_kind(objects, "NetworkPolicy")]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        selectors += [found["spec"]["selector"]["matchLabels"] for found in charts.of_kind(objects, kind)]

    for selector in selectors:
        assert selector.items() <= ours
        assert not selector.items() <= test


def test_a_service_monitor_selects_the_service():
    """Its labels, namespace and port are those of the Service."""
    objects = render(ci_values("service-monitor"))
    monitor, service = charts.one(objects, "ServiceMonitor"), charts.one(objects, "Service")

    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert monitor["metadata"]["namespace"] == "monitoring"


def test_the_network_policy_opens_the_ports_of_the_resolvers():
    """53 over UDP and TCP always, and the port and protocol of every configured server."""
    policy = charts.one(render(ci_values("network-policy")), "NetworkPolicy")["spec"]
    dns = {(port["protocol"], port["port"]) for port in policy["egress"][0]["ports"]}

    both = {53, 5353, 5354}
    assert dns == {(protocol, port) for protocol in ("UDP", "TCP") for port in both} | {
        ("TCP", port) for port in (853, 8853, 443, 8443)
    }
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_a_constraint_without_a_selector_gets_that_of_the_release():
    """A topology spread constraint applies to the pods of the release."""
    spec = charts.workload(render(ci_values("scheduling")))["spec"]
    (constraint,) = spec["template"]["spec"]["topologySpreadConstraints"]

    assert constraint["labelSelector"] == spec["selector"]


@pytest.mark.parametrize(
    ("live", "change", "restarts"),
    [
        pytest.param(True, "config", False, id="live-reload"),
        pytest.param(False, "config", True, id="no-live-reload"),
        pytest.param(True, "configFiles", True, id="a-file-beside-it"),
        pytest.param(False, "configFiles", True, id="a-file-beside-it-without-live-reload"),
    ],
)
def test_pods_restart_only_if_live_reload_misses_a_change(live, change, restarts):
    """The pod template has a checksum of exactly those files that the exporter reads only when it starts."""
    before, after = (
        charts.workload(render({"configReload": {"enabled": live}, change: {"key": text}}))["spec"]["template"]
        for text in ("one", "two")
    )

    assert (before != after) is restarts


@pytest.mark.parametrize("path", ["/", "/maildns", "/a/b"])
def test_paths_begin_with_the_route_prefix(path):
    """Probes, scrapes and the ingress use paths below the route prefix."""
    values = {
        "web": {"routePrefix": path},
        "serviceMonitor": {"enabled": True},
        "ingress": {"enabled": True, "hosts": ["example.org"]},
    }
    objects = render(values)
    container = charts.exporter_container(objects)
    base = path.rstrip("/")

    assert container["livenessProbe"]["httpGet"]["path"] == f"{base}/-/healthy"
    assert container["readinessProbe"]["httpGet"]["path"] == f"{base}/-/ready"
    assert charts.one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["path"] == f"{base}/metrics"
    assert charts.one(objects, "Pod")["spec"]["containers"][0]["args"][1].endswith(f":10047{base}/metrics")
    (rule,) = charts.one(objects, "Ingress")["spec"]["rules"]
    assert rule["http"]["paths"][0]["path"] == path


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        pytest.param("mail", {}, "mail-maildns-exporter", id="release-and-chart"),
        pytest.param("maildns-exporter", {}, "maildns-exporter", id="not-twice"),
        pytest.param("mail", {"nameOverride": "dns"}, "mail-dns", id="name"),
        pytest.param("mail", {"fullnameOverride": "watch"}, "watch", id="full-name"),
        pytest.param("r" * 53, {}, "r" * 52, id="cut"),
        pytest.param("mail", {"fullnameOverride": "a" * 50 + "--b"}, None, id="too-long"),
    ],
)
def test_names(release, values, name):
    """Names consist of the release and the chart, and are no longer than Kubernetes allows."""
    if name is None:
        with pytest.raises(helm_python.HelmError, match="fullnameOverride"):
            render(values, release=release)
        return

    assert charts.workload(render(values, release=release))["metadata"]["name"] == name


def test_the_versions_are_those_of_the_package():
    """Chart, image and package are released together."""
    metadata = read_yaml((CHART / "Chart.yaml").read_text())

    assert metadata["version"] == metadata["appVersion"] == __version__
    assert charts.exporter_container(render())["image"].endswith(f":{__version__}")
    assert metadata["kubeVersion"] == f">={OLDEST}.0-0"


def test_the_install_text_show_what_to_do_next():
    """It warns about the example address and shows how to scrape. It omits hints that the values already follow."""
    fresh = checked_text({})
    assert "192.0.2.10" in fresh
    assert re.search(r"port-forward service/mail-maildns-exporter 10047$", fresh, re.MULTILINE)
    assert "serviceMonitor.enabled" in fresh

    done = checked_text(
        {**ci_values("pools"), "serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    )
    assert "WARNING" not in done
    assert "serviceMonitor.enabled" not in done
    assert "prometheusRule.enabled" not in done


@pytest.mark.parametrize(
    ("values", "present", "absent"),
    [
        pytest.param({}, "watches 1 pool from", "and 0", id="one-pool"),
        pytest.param(ci_values("pools"), "watches 2 pools from", "and 0", id="pools"),
        pytest.param(ci_values("domains"), "watches 1 pool and 1 domain from", "domains from", id="a-domain"),
        pytest.param(
            ci_values("config-existing"),
            "watches what is configured in Secret maildns-configuration",
            "pool",
            id="theirs",
        ),
        pytest.param({"config": {"storage": {"path": "a"}}}, "set persistence.enabled", "nothing else", id="no-volume"),
        pytest.param(ci_values("persistence"), "watches", "persistence.enabled", id="a-volume"),
    ],
)
def test_the_install_text_count_what_is_watched(values, present, absent):
    """It counts pools and domains, and warns about a database without a volume."""
    text = checked_text(values)

    assert present in text
    assert absent not in text


def checked_text(values: dict) -> str:
    """The text that Helm prints after an installation. Fails if a template in it was not rendered."""
    text = charts.install_text(values)
    assert "{{" not in text
    assert "<no value>" not in text
    return text


def test_package(tmp_path):
    """The package renders the same objects as the folder, and leaves out ci/."""
    archive = helm_python.package(charts.released(), destination=tmp_path)

    assert archive.endswith(f"maildns-exporter-{__version__}.tgz")
    with helm_python.Chart.load(archive) as packaged:
        assert not any(file["name"].startswith("ci/") for file in packaged.files)
        values = ci_values("alerts")
        assert packaged.render(values, name="mail") == charts.chart().render(values, name="mail")
