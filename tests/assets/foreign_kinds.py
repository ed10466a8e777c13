"""Schemas of the custom resources that the chart creates: the Prometheus operator's and the Gateway API's.

They allow only the keys that the chart sets, with the types of the CustomResourceDefinitions. The API server drops a
misspelt key without an error, so the tests must find it.
"""

from typing import Any

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_DURATION = {
    "type": "string",
    "pattern": r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$",
}


def _mapping(required: tuple[str, ...] = (), /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


def _list(items: dict[str, Any], min_items: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": min_items}


def _kind(version: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = _mapping(("name", "namespace"), name=_TEXT, namespace=_TEXT, labels=_TEXTS, annotations=_TEXTS)
    return _mapping(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": version},
        kind=_TEXT,
        metadata=metadata,
        spec=spec,
    )


_SECRET_KEY = _mapping(("key",), name=_TEXT, key=_TEXT, optional={"type": "boolean"})
_RELABELLING = _mapping(
    sourceLabels=_list(_TEXT),
    separator=_TEXT,
    targetLabel=_TEXT,
    regex=_TEXT,
    modulus={"type": "integer"},
    replacement=_TEXT,
    action={"enum": ["replace", "keep", "drop", "labelmap", "labelkeep", "labeldrop", "hashmod", "lowercase"]},
)
_TLS = _mapping(
    ca=_mapping(secret=_SECRET_KEY, configMap=_SECRET_KEY),
    cert=_mapping(secret=_SECRET_KEY, configMap=_SECRET_KEY),
    keySecret=_SECRET_KEY,
    serverName=_TEXT,
    insecureSkipVerify={"type": "boolean"},
)
_BASIC_AUTH = _mapping(username=_SECRET_KEY, password=_SECRET_KEY)
_ENDPOINT = _mapping(
    port=_TEXT,
    path=_TEXT,
    scheme={"enum": ["http", "https"]},
    interval=_DURATION,
    scrapeTimeout=_DURATION,
    relabelings=_list(_RELABELLING),
    metricRelabelings=_list(_RELABELLING),
    tlsConfig=_TLS,
    basicAuth=_BASIC_AUTH,
)
_MONITOR = {
    "jobLabel": _TEXT,
    "sampleLimit": {"type": "integer", "minimum": 0},
    "namespaceSelector": _mapping(any={"type": "boolean"}, matchNames=_list(_TEXT)),
    "selector": _mapping(matchLabels=_TEXTS),
}
_RULE = _mapping(
    ("expr",),
    record=_TEXT,
    alert=_TEXT,
    expr=_TEXT,
    **{"for": _DURATION},
    keep_firing_for={**_DURATION, "minLength": 1},
    labels=_TEXTS,
    annotations=_TEXTS,
)
_GROUP = _mapping(("name",), name={"type": "string", "minLength": 1}, interval=_DURATION, rules=_list(_RULE))
_PARENT = _mapping(
    ("name",), group=_TEXT, kind=_TEXT, namespace=_TEXT, name=_TEXT, sectionName=_TEXT, port={"type": "integer"}
)
_ROUTE = _mapping(
    matches=_list(_mapping(path=_mapping(type={"enum": ["Exact", "PathPrefix"]}, value=_TEXT))),
    backendRefs=_list(_mapping(("name", "port"), name=_TEXT, port={"type": "integer"})),
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "ServiceMonitor": _kind(
        "monitoring.coreos.com/v1", _mapping(("selector", "endpoints"), **_MONITOR, endpoints=_list(_ENDPOINT, 1))
    ),
    "PodMonitor": _kind(
        "monitoring.coreos.com/v1",
        _mapping(("selector", "podMetricsEndpoints"), **_MONITOR, podMetricsEndpoints=_list(_ENDPOINT, 1)),
    ),
    "Probe": _kind(
        "monitoring.coreos.com/v1",
        _mapping(
            ("prober", "targets"),
            jobName=_TEXT,
            prober=_mapping(("url",), url=_TEXT, scheme={"enum": ["http", "https"]}, path=_TEXT),
            interval=_DURATION,
            scrapeTimeout=_DURATION,
            sampleLimit={"type": "integer", "minimum": 0},
            tlsConfig=_TLS,
            basicAuth=_BASIC_AUTH,
            targets=_mapping(
                ("staticConfig",),
                staticConfig=_mapping(
                    ("static",), static=_list(_TEXT, 1), labels=_TEXTS, relabelingConfigs=_list(_RELABELLING)
                ),
            ),
            metricRelabelings=_list(_RELABELLING),
        ),
    ),
    "PrometheusRule": _kind("monitoring.coreos.com/v1", _mapping(groups=_list(_GROUP))),
    "HTTPRoute": _kind(
        "gateway.networking.k8s.io/v1",
        _mapping(parentRefs=_list(_PARENT), hostnames=_list(_TEXT), rules=_list(_ROUTE)),
    ),
}
"""The schema of each kind."""
