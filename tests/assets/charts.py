"""Renders the chart with Helm's own code and validates the objects as a cluster would."""

import atexit
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate.utils
from referencing import Registry, Resource

from helm.build import CHART, complete_chart
from tests.assets.foreign_kinds import SCHEMAS
from tests.yaml_files import read_all_yaml, read_yaml

ROOT = Path(__file__).resolve().parent.parent.parent
VALUES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
OLDEST, NEWEST = "1.29", kubernetes_validate.utils.major_minor(kubernetes_validate.utils.latest_version())
"""The oldest and the newest version of Kubernetes that the chart is tested with. Chart.yaml requires the oldest."""

Object = dict[str, Any]


@functools.cache
def released() -> Path:
    """A temporary copy of the chart, complete with rules and dashboards as in a release."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return complete_chart(Path(folder.name))


@functools.cache
def chart(folder: Path | None = None) -> helm_python.Chart:
    """The chart in *folder*, by default the complete one, loaded."""
    return helm_python.Chart.load(folder or released())


def ci_values(name: str) -> dict[str, Any]:
    """The values of a file in ci/."""
    return read_yaml(VALUES[name].read_text())


def render(values: Mapping[str, Any] | None = None, folder: Path | None = None, release: str = "mail") -> list[Object]:
    """Every object that an installation with *values* creates."""
    return [
        document
        for template, text in _rendered(json.dumps(values or {}), folder, release).items()
        if not template.endswith(".txt")
        for document in read_all_yaml(text)
        if document is not None
    ]


@functools.lru_cache(64)
def _rendered(values: str, folder: Path | None, release: str) -> dict[str, str]:
    """The text of every template. Several tests render the same values, and each may change the objects it parses."""
    rendered = chart(folder).render(json.loads(values), name=release, namespace="monitoring")
    return dict(sorted(rendered.items()))


def install_text(values: Mapping[str, Any] | None = None) -> str:
    """The text that Helm prints after an installation."""
    rendered = chart().render(dict(values or {}), name="mail", namespace="monitoring")
    return rendered["maildns-exporter/templates/NOTES.txt"]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """The objects of a kind."""
    return [found for found in objects if found["kind"] == kind]


def one(objects: list[Object], kind: str) -> Object:
    """The only object of a kind."""
    (found,) = of_kind(objects, kind)
    return found


def workload(objects: list[Object]) -> Object:
    """The Deployment, or the StatefulSet."""
    (found,) = of_kind(objects, "Deployment") + of_kind(objects, "StatefulSet")
    return found


def exporter_container(objects: list[Object]) -> Object:
    """The container in which the exporter runs."""
    (container,) = workload(objects)["spec"]["template"]["spec"]["containers"]
    return container


def pod_specs(objects: list[Object]) -> Iterator[Object]:
    """The specifications of all pods, that of `helm test` included."""
    for found in objects:
        if found["kind"] == "Pod":
            yield found["spec"]
        elif "template" in found.get("spec", {}):
            yield found["spec"]["template"]["spec"]


def validate(found: Object, version: str) -> None:
    """Raise if a cluster of this version would refuse the object or does not know one of its keys."""
    if found["kind"] in SCHEMAS:
        jsonschema.validate(found, SCHEMAS[found["kind"]])
    else:
        _validator(found["apiVersion"], found["kind"], version).validate(found)


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> Any:
    """A validator with the strict schemas of kubernetes_validate, which itself would build one for each object."""
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], number)))
    registry = Resource.from_contents(_strict_schema(version, "_definitions")) @ Registry()
    return jsonschema.Draft202012Validator(_strict_schema(version, name), registry=registry)


@functools.cache
def _strict_schema(version: str, name: str) -> Any:
    path = f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json"
    return kubernetes_validate.utils.schema_contents(path, version)
