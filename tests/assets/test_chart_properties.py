"""Values that the schema accepts render valid objects, and the exporter reads the configuration unchanged."""

import functools
import json
from typing import Any

import helm_python
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.tree import read_tree
from tests.assets import charts
from tests.assets.charts import CHART, NEWEST, VALUES, ci_values, render
from tests.assets.schema_strategies import SchemaStrategies
from tests.examples import examples
from tests.yaml_files import read_yaml

PEER = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
KUBERNETES = {
    "Affinity": [{}, ci_values("scheduling")["affinity"]],
    "BasicAuth": [{}, {"username": {"name": "scrape", "key": "user"}, "password": {"name": "scrape", "key": "word"}}],
    "EnvVar": [{"name": "TZ", "value": "UTC"}, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "b", "key": "c"}}}],
    "HostAlias": [{"ip": "192.0.2.53", "hostnames": ["dns.example.org"]}],
    "NetworkPolicyEgressRule": [{"ports": [{"port": 8053, "protocol": "UDP"}]}, {"to": [PEER]}],
    "NetworkPolicyPeer": [PEER, {"ipBlock": {"cidr": "192.0.2.0/24"}}],
    "ParentReference": [{"name": "gateway"}, {"name": "gateway", "namespace": "gateways", "sectionName": "https"}],
    "PodDNSConfig": [{}, {"nameservers": ["192.0.2.53"], "options": [{"name": "edns0"}]}],
    "PodSecurityContext": [{}, {"runAsNonRoot": True, "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}],
    "RelabelConfig": [{"action": "labeldrop", "regex": "instance_.*"}],
    "RuleGroup": [{"name": "ours", "rules": [{"alert": "Ours", "expr": "up == 0", "labels": {"a": "{{ $value }}"}}]}],
    "SecurityContext": [{}, {"readOnlyRootFilesystem": True}],
    "TLSConfig": [{}, {"insecureSkipVerify": True}],
    "Toleration": [{"key": "dedicated", "operator": "Exists"}],
    "TopologySpreadConstraint": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
        {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}},
    ],
    "Volume": [{"name": "more", "emptyDir": {}}, {"name": "secret", "secret": {"secretName": "more"}}],
    "VolumeMount": [{"name": "more", "mountPath": "/more", "readOnly": True}],
    "any": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note"}, "data": {"a": "{{ .Release.Name }}"}}
    ],
    "text": ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\n"],
}
"""Examples for each of Kubernetes' own types, which the schema does not describe."""


@functools.cache
def sections() -> dict[str, st.SearchStrategy[Any]]:
    """For each top-level key, values that the schema of its section accepts."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    strategies = SchemaStrategies(
        schema["definitions"], {f"Kubernetes: {kind}": samples for kind, samples in KUBERNETES.items()}
    )
    elsewhere = {"config", "global"}  # another test draws configurations
    made = {key: strategies.of(node) for key, node in schema["properties"].items() if key not in elsewhere}
    # The schema of a section does not know the names of alerts and the name of the configuration file.
    made["prometheusRule"] = made["prometheusRule"].map(lambda rule: {**rule, "alerts": {}})
    made["configFiles"] = made["configFiles"].map(
        lambda files: {key: files[key] for key in files.keys() - {"maildns.yml"}}
    )
    return made


@st.composite
def some_values(draw: st.DrawFn) -> dict[str, Any]:
    """The defaults or a file in ci/, with a few random keys."""
    base = draw(st.sampled_from([None, *VALUES]))
    values = {} if base is None else ci_values(base)
    for key in draw(st.lists(st.sampled_from(sorted(sections())), min_size=1, max_size=4, unique=True)):
        values[key] = draw(sections()[key])
    return values


def is_accepted(values: dict[str, Any]) -> bool:
    """Whether the schema accepts the values. It may refuse them only because of conditions between sections."""
    refusal = ""
    try:
        charts.chart().validate_schema(values)
    except helm_python.HelmValuesError as error:
        refusal = str(error)
    assert not refusal or "'allOf' failed" in refusal, refusal
    return not refusal


@examples(40)
@given(some_values().filter(is_accepted))
def test_accepted_values_render_valid_objects(values):
    """All values that the schema accepts render objects that are valid in a cluster."""
    for found in render(values):
        charts.validate(found, NEWEST)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    [
        "no",
        "010",
        "1:30",
        "0x1f",
        "1e3",
        "~",
        "null",
        "2026-01-01",
        "2001:db8::1",
        " a",
        "a ",
        "- a",
        "a: b",
        "a\nb\n",
        "#",
    ]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(-1000, 1000).map(lambda number: round(number, 3))


@examples(40)
@given(
    st.dictionaries(
        st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12),
        st.recursive(TEXT | NUMBERS | st.booleans(), lambda inner: st.lists(inner, max_size=4), max_leaves=8),
        min_size=1,
        max_size=5,
    )
)
def test_the_exporter_reads_the_configuration_unchanged(config):
    """The exporter reads the same data from the ConfigMap: no string became a number, and no number a string."""
    (found,) = charts.of_kind(render({"config": {**config, "pools": []}}), "ConfigMap")

    root, problems = read_tree(found["data"]["maildns.yml"], "maildns.yml")

    assert problems == []
    assert json.loads(json.dumps(root.data())) == {**config, "pools": []}
    assert read_yaml(found["data"]["maildns.yml"]) == {**config, "pools": []}
