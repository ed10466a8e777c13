"""Generates the parts of the chart that come from other files: `python -m helm.build`, or `make chart`.

It copies rules and dashboards from `dashboards/` into the chart's `files/`, which git ignores. It writes the comments
of values.yaml that begin with ``# --`` into the table of README.md and the descriptions of values.schema.json.
"""
# ruff: noqa: INP001

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "maildns-exporter"
COPIES = {
    "rules": "prometheus/*.rules.yml",
    "dashboards": "grafana/*.json",
    "grafana-alerting": "grafana-alerting/*.yml",
}
"""Folders below the chart's `files/`, and which files of `dashboards/` are copied there."""

_TABLE = re.compile(r"(<!-- values -->\n).*(<!-- end of values -->)", re.DOTALL)


class Value(NamedTuple):
    """A documented key of values.yaml."""

    path: tuple[str, ...]
    description: str
    default: Any


def values(text: str) -> list[Value]:
    """Every documented key of values.yaml, in the order of the file."""
    return list(_values(YAML().load(text), text.splitlines(), ()))


def _values(section: CommentedMap, lines: list[str], path: tuple[str, ...]) -> Iterator[Value]:
    for key, value in section.items():
        if description := _comment_above(lines, section.lc.key(key)[0]):
            yield Value((*path, key), description, value)
        elif isinstance(value, CommentedMap):
            yield from _values(value, lines, (*path, key))


def _comment_above(lines: list[str], number: int) -> str:
    """The ``# --`` comment that ends directly above a line (counted from 0), as one line; empty if there is none."""
    comment: list[str] = []
    for line in map(str.strip, reversed(lines[:number])):
        if not line.startswith("# "):
            break
        comment.insert(0, line.removeprefix("# ").removeprefix("-- "))
        if line.startswith("# -- "):
            return " ".join(comment)
    return ""


def table(documented: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| Key | Default | Description |", "|---|---|---|"]
    for value in documented:
        default = json.dumps(value.default).replace("|", "\\|")
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {value.description.replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


def described(schema: dict[str, Any], documented: list[Value]) -> dict[str, Any]:
    """The schema with the descriptions of values.yaml. Keys of a shared definition get none."""
    for value in documented:
        parent = schema
        for part in value.path[:-1]:
            node = parent["properties"][part]
            parent = schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        node = parent["properties"][value.path[-1]]
        if parent in schema["definitions"].values():
            continue
        reference = node.pop("$ref", None)
        if reference is not None:  # draft 7 ignores the keys beside a $ref
            node["allOf"] = [{"$ref": reference}]
        parent["properties"][value.path[-1]] = {"description": "", **node} | {"description": value.description}
    return schema


def documents() -> dict[Path, str]:
    """What README.md and values.schema.json should contain."""
    documented = values((CHART / "values.yaml").read_text())
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    return {
        readme: _TABLE.sub(lambda match: f"{match[1]}{table(documented)}{match[2]}", readme.read_text()),
        schema: json.dumps(described(json.loads(schema.read_text()), documented), indent=2) + "\n",
    }


def copy_files(chart: Path) -> None:
    """Make the `files/` of a chart's folder again from the rules and dashboards."""
    shutil.rmtree(chart / "files", ignore_errors=True)
    for folder, source in COPIES.items():
        (chart / "files" / folder).mkdir(parents=True)
        for path in (ROOT / "dashboards").glob(source):
            shutil.copy(path, chart / "files" / folder)


def complete_chart(folder: Path) -> Path:
    """Copy the chart into *folder*, with rules and dashboards, as a release packs it. Returns the copy's path."""
    chart = folder / CHART.name
    shutil.copytree(CHART, chart, ignore=shutil.ignore_patterns("files"))
    copy_files(chart)
    return chart


def main() -> None:
    """Write all of it into the chart's folder."""
    for path, text in documents().items():
        path.write_text(text)
    copy_files(CHART)


if __name__ == "__main__":
    main()
