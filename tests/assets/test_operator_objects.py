"""The Prometheus operator's own types accept the objects of the chart, and every key of `foreign_kinds`."""

import functools
import json
import subprocess
from pathlib import Path

import pytest

from tests.assets.charts import NEWEST, ROOT, VALUES, ci_values, render, validate
from tests.assets.foreign_kinds import SCHEMAS
from tests.integration.servers.tools import missing

pytestmark = pytest.mark.slow  # loading the operator's types takes seconds
READER = Path(__file__).with_name("operator_models.py")
PYTHON = ROOT / "build" / "operator-models" / "bin" / "python"
OPERATORS = {"ServiceMonitor", "PodMonitor", "Probe", "PrometheusRule"}
"""The kinds of `monitoring.coreos.com` that the chart creates."""
UNUSUAL = {
    "serviceMonitor-and-rules": {
        "serviceMonitor": {"enabled": True, **ci_values("web-config")["serviceMonitor"], "sampleLimit": 1},
        "prometheusRule": {"enabled": True},
    },
    "podMonitor": {
        "podMonitor": {
            **ci_values("client-certificates")["podMonitor"],
            **ci_values("service-monitor")["serviceMonitor"],
        }
    },
    "probe": {
        "probe": {
            **ci_values("probe")["probe"],
            "targets": ["192.0.2.1"],
            "tlsConfig": {"insecureSkipVerify": True},
            "basicAuth": ci_values("web-config")["serviceMonitor"]["basicAuth"],
        }
    },
}
"""Combinations of values that no file in ci/ has."""


def fullest(schema):
    """An object with every key that the schema allows."""
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema["type"] == "object" and "properties" in schema:
        return {key: fullest(inner) for key, inner in schema["properties"].items()}
    made = {
        "object": {"key": "value"},
        "array": [fullest(schema["items"])] if "items" in schema else [],
        "string": "30s" if "pattern" in schema else "text",
        "integer": 1,
        "boolean": True,
    }
    return made[schema["type"]]


def broken(change):
    """A ServiceMonitor with a change in its endpoint."""
    (monitor,) = [found for found in render(ci_values("service-monitor")) if found["kind"] == "ServiceMonitor"]
    monitor["spec"]["endpoints"][0] |= change
    return monitor


@functools.cache
def rendered():
    """The operator's objects of every values file, by kind and file."""
    return {
        f"{found['kind']} of {name}": found
        for name, values in [*((name, ci_values(name)) for name in VALUES), *UNUSUAL.items()]
        for found in render(values)
        if found["kind"] in OPERATORS
    }


FULLEST = {kind: {**fullest(SCHEMAS[kind]), "kind": kind} for kind in sorted(OPERATORS)}


@pytest.fixture(scope="module")
def complaints():
    """The messages of the operator's types for all objects. One process checks all, because it starts slowly."""
    if not (PYTHON.parents[1] / ".installed").exists():
        missing("the operator's models are not installed: make operator-models")
    asked = {**rendered(), **FULLEST}
    asked |= {"misspelt": broken({"sheme": "http"}), "of another type": broken({"interval": "often"})}
    done = subprocess.run(
        [PYTHON, READER], input=json.dumps([*asked.values()]), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(asked, json.loads(done.stdout), strict=True))


def test_the_operator_accepts_every_object(complaints):
    """The values files render all kinds, and the operator's types accept each object and keep every key."""
    assert {found["kind"] for found in rendered().values()} == OPERATORS
    assert {name: text for name in rendered() if (text := complaints[name])} == {}


def test_the_operator_knows_everything_that_is_allowed(complaints):
    """Each key of `foreign_kinds` exists in the operator's types, which would drop it otherwise."""
    for found in [*rendered().values(), *FULLEST.values()]:
        validate(found, NEWEST)

    assert {kind: text for kind in FULLEST if (text := complaints[kind])} == {}


def test_a_misspelt_key_and_a_wrong_type_are_found(complaints):
    """A message has the path of a key that the API server would drop or refuse."""
    assert complaints["misspelt"] == "ServiceMonitor.spec.endpoints[0].sheme: 'http' became None"
    assert "spec.endpoints.0.interval" in complaints["of another type"]
