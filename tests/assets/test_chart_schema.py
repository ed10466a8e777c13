"""The schema refuses invalid values with their path, and shards and volumes follow the values."""

import helm_python
import pytest

from tests.assets import charts
from tests.assets.charts import NEWEST, OLDEST, render
from tests.yaml_files import read_yaml


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"replicas": 2}, "at '': additional properties 'replicas' not allowed", id="unknown-key"),
        pytest.param(
            {"service": {"prot": 80}}, "at '/service': additional properties 'prot' not allowed", id="misspelt-key"
        ),
        pytest.param(
            {"prometheusRule": {"alerts": {"A": {"treshold": 1}}}},
            "at '/prometheusRule/alerts/A': additional properties 'treshold' not allowed",
            id="misspelt-key-of-an-alert",
        ),
        pytest.param({"service": {"port": "80"}}, "at '/service/port': got string, want integer", id="type"),
        pytest.param({"service": {"port": 70000}}, "at '/service/port': maximum: got 70,000, want 65,535", id="bound"),
        pytest.param(
            {"log": {"level": "loud"}},
            "at '/log/level': value must be one of 'debug', 'info', 'warning', 'error'",
            id="not-in-the-list",
        ),
        pytest.param({"configReload": {"interval": "often"}}, "at '/configReload/interval'", id="duration"),
        pytest.param({"image": {"digest": "sha256:abc"}}, "at '/image/digest'", id="digest"),
        pytest.param({"resources": {"limits": {"memory": "much"}}}, "at '/resources/limits/memory'", id="quantity"),
        pytest.param({"web": {"routePrefix": "maildns"}}, "at '/web/routePrefix'", id="path"),
        pytest.param({"commonLabels": {"a b": "c"}}, "at '/commonLabels'", id="label"),
        pytest.param(
            {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
            "at '/podMonitor/enabled': value must be false",
            id="both-monitors",
        ),
        pytest.param({"ingress": {"enabled": True}}, "at '/ingress/hosts': minItems", id="ingress-without-hosts"),
        pytest.param({"httpRoute": {"enabled": True}}, "at '/httpRoute/parentRefs': minItems", id="route-to-nowhere"),
        pytest.param(
            {"configFrom": {"name": "theirs"}, "configFiles": {"a": "b"}},
            "at '/configFiles': maxProperties",
            id="files-for-an-existing-object",
        ),
        pytest.param({"webConfig": {"enabled": True}}, "at '/webConfig'", id="empty-web-configuration"),
        pytest.param({"shards": 2, "probe": {"enabled": True}}, "at '/probe/enabled'", id="probe-of-any-shard"),
        pytest.param(
            {"configFrom": {"name": "theirs"}, "probe": {"enabled": True}}, "at '/probe/targets'", id="probe-of-nothing"
        ),
        pytest.param({"probe": {"targets": ["mail.example.org"]}}, "at '/probe/targets/0'", id="probe-of-a-name"),
        pytest.param(
            {
                "probe": {"enabled": True},
                "config": {"pools": [{"name": "a", "addresses": [{"network": "192.0.2.0/24"}]}]},
            },
            "name the addresses to probe",
            id="probe-of-networks",
        ),
        pytest.param(
            {"configFiles": {"maildns.yml": "x"}}, "write the configuration in config", id="configuration-as-a-file"
        ),
        pytest.param(
            {"prometheusRule": {"enabled": True, "alerts": {"Nope": {}}}}, "there is no such alert", id="alert"
        ),
    ],
)
def test_a_mistake_is_refused_with_its_path(values, message):
    """A mistake is an error before anything is installed, and the message names the key."""
    with pytest.raises(helm_python.HelmError) as caught:
        render(values)

    assert message in str(caught.value)


def valid(objects):
    """The objects, after validation with the oldest and the newest version of Kubernetes."""
    for found in objects:
        for version in (OLDEST, NEWEST):
            charts.validate(found, version)
    return objects


def test_shards_are_a_stateful_set():
    """Each pod gets its ordinal and the number of pods, and the ServiceMonitor selects each pod once."""
    objects = valid(render({"shards": 3, "serviceMonitor": {"enabled": True}}))
    workload = charts.workload(objects)
    container = charts.exporter_container(objects)
    monitor = charts.one(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    services = charts.of_kind(objects, "Service")

    assert workload["kind"] == "StatefulSet"
    assert workload["spec"]["replicas"] == 3
    assert {"--shard.index=$(SHARD_INDEX)", "--shard.count=3"} <= set(container["args"])
    ordinal = {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}
    assert container["env"] == [{"name": "SHARD_INDEX", "valueFrom": ordinal}]
    assert sorted(monitor <= service["metadata"]["labels"].items() for service in services) == [False, True]
    headless = [service for service in services if service["spec"].get("clusterIP") == "None"]
    assert [service["metadata"]["name"] for service in headless] == [workload["spec"]["serviceName"]]


@pytest.mark.parametrize(
    ("shards", "persistence", "claims", "templates"),
    [
        pytest.param(1, {}, 1, 0, id="one-claim"),
        pytest.param(1, {"type": "emptyDir"}, 0, 0, id="no-claim"),
        pytest.param(1, {"existingClaim": "journal"}, 0, 0, id="an-existing-claim"),
        pytest.param(3, {"storageClassName": "fast"}, 0, 1, id="a-claim-each"),
        pytest.param(3, {"type": "emptyDir"}, 0, 0, id="no-claims"),
    ],
)
def test_the_journal_has_a_volume(shards, persistence, claims, templates):
    """A volume of the right type is mounted where the configuration puts the database, and the pod can write to it."""
    objects = valid(render({"shards": shards, "persistence": {"enabled": True, **persistence}}))
    spec = charts.workload(objects)["spec"]
    mounts = charts.exporter_container(objects)["volumeMounts"]

    assert len(charts.of_kind(objects, "PersistentVolumeClaim")) == claims
    assert len(spec.get("volumeClaimTemplates", [])) == templates
    assert {"name": "data", "mountPath": "/var/lib/maildns-exporter"} in mounts
    names = [volume["name"] for volume in spec["template"]["spec"]["volumes"]]
    assert ("data" in names) is not bool(templates)
    assert "path: /var/lib/maildns-exporter/" in charts.one(objects, "ConfigMap")["data"]["maildns.yml"]
    context = spec["template"]["spec"]["securityContext"]
    assert context["fsGroup"] == context["runAsGroup"]
    if claims:
        assert spec["strategy"] == {"type": "Recreate"}


def test_shards_share_no_claim():
    """One volume for several shards is refused."""
    with pytest.raises(helm_python.HelmValuesError, match="at '/persistence/existingClaim'"):
        render({"shards": 2, "persistence": {"enabled": True, "existingClaim": "journal"}})


@pytest.mark.parametrize(
    ("storage", "path", "rest"),
    [
        pytest.param(None, "/var/lib/maildns-exporter/maildns.db", {}, id="none"),
        pytest.param({"retention": "30d"}, "/var/lib/maildns-exporter/maildns.db", {"retention": "30d"}, id="how-long"),
        pytest.param({"path": "/data/a.db"}, "/data/a.db", {}, id="elsewhere"),
    ],
)
def test_the_storage_is_in_the_volume_unless_it_is_put_elsewhere(storage, path, rest):
    """The chart sets only a missing path of `config.storage`, and keeps its other keys."""
    config = {"pools": [], **({"storage": storage} if storage else {})}
    objects = render({"persistence": {"enabled": True}, "config": config})

    text = charts.one(objects, "ConfigMap")["data"]["maildns.yml"]
    assert read_yaml(text)["storage"] == {"path": path, **rest}
