"""The chart's README and schema describe every value."""

import json
import re

import pytest

from helm import build
from tests.assets.charts import CHART, chart
from tests.yaml_files import read_yaml

VALUES = read_yaml((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_nothing_is_stale():
    """The table in the README and the descriptions in the schema are those of values.yaml."""
    assert [path.name for path, text in build.documents().items() if path.read_text() != text] == [], "run: make chart"


def resolved(node):
    """A schema without its references."""
    while "$ref" in node or set(node) == {"description", "allOf"}:
        reference = node["$ref"] if "$ref" in node else node["allOf"][0]["$ref"]
        node = SCHEMA["definitions"][reference.rpartition("/")[2]]
    return node


def leaves(values, schema, path=()):
    """The path of every key that can be set. For a mapping with keys in the schema, these are the paths of its keys."""
    for key, value in values.items():
        inner = resolved(schema["properties"][key])
        if isinstance(value, dict) and "properties" in inner and not is_verbatim((*path, key)):
            yield from leaves(value, inner, (*path, key))
        else:
            yield (*path, key)


def is_verbatim(path):
    """Whether the section is rendered unchanged, so that one comment describes all of it."""
    return path[-1] == "resources"


def test_every_value_is_described():
    """Each key of values.yaml has a comment with complete sentences."""
    documented = {value.path: value.description for value in build.values((CHART / "values.yaml").read_text())}

    assert list(leaves(VALUES, SCHEMA)) == list(documented)
    for path, description in documented.items():
        assert re.match(r"[A-Z`].*\.$", description), path


def test_values_and_schema_know_the_same_keys():
    """Every key in the schema has a default, and every default is in the schema."""

    def compare(values, schema, path):
        allowed = set(resolved(schema).get("properties", {})) - ({"global"} if not path else set())
        assert allowed == set(values), path
        for key, value in values.items():
            inner = resolved(schema["properties"][key])
            if isinstance(value, dict) and "properties" in inner and not is_verbatim((*path, key)):
                compare(value, inner, (*path, key))

    compare(VALUES, SCHEMA, ())


def test_every_section_of_the_schema_is_closed():
    """A mapping with keys in the schema refuses unknown keys."""

    def check(node, path):
        if isinstance(node, dict):
            if "properties" in node and node.get("type") == "object":
                assert node["additionalProperties"] is False, path
            for key, inner in node.items():
                check(inner, f"{path}/{key}")

    check(SCHEMA["properties"], "")
    check(SCHEMA["definitions"], "definitions")
    assert SCHEMA["additionalProperties"] is False


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL))
def test_the_readmes_examples_are_values(text):
    """The schema accepts every example in the README."""
    chart().validate_schema(read_yaml(text))
