"""Makes what in the chart is made of something else: its copies of rules and dashboards, its table of values.

    python helm/build.py           writes them
    python helm/build.py --check   says what is stale, and exits with 1

The rule of this file: values.yaml and `dashboards/` are the sources. Descriptions stand in the comments of values.yaml
that begin with ``# --``; from there they go into README.md and into values.schema.json.
"""
# ruff: noqa: INP001

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "maildns-exporter"
COPIES = {
    "rules": "prometheus/*.rules.yml",
    "dashboards": "grafana/*.json",
    "grafana-alerting": "grafana-alerting/*.yml",
}
"""Folders in the chart's `files/`, and what in `dashboards/` they are copies of."""

_KEY = re.compile(r"( *)([A-Za-z]+):(?: (.*))?")
_TABLE = re.compile(r"(<!-- values -->\n).*(<!-- end of values -->)", re.DOTALL)


class Value(NamedTuple):
    """A documented key of values.yaml."""

    path: tuple[str, ...]
    description: str
    default: Any


def values(text: str) -> Iterator[Value]:
    """Every documented key, in the order of the file."""
    tree = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("# ") and comment:
            comment.append(stripped.removeprefix("# "))
        elif key := _KEY.fullmatch(line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if comment:
                default = tree
                for part in path:
                    default = default[part]
                yield Value(tuple(path), " ".join(comment), default)
            comment = []
        else:
            comment = []


def table(documented: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| Key | Default | Description |", "|---|---|---|"]
    for value in documented:
        default = json.dumps(value.default).replace("|", "\\|")
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {value.description.replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


def described(schema: dict[str, Any], documented: list[Value]) -> dict[str, Any]:
    """The schema with the descriptions of values.yaml; a shared definition keeps none of its own."""
    for value in documented:
        parent = schema
        for part in value.path[:-1]:
            node = parent["properties"][part]
            parent = schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        node = parent["properties"][value.path[-1]]
        if parent in schema["definitions"].values():
            continue
        reference = node.pop("$ref", None)
        if reference is not None:  # draft 7 ignores what stands beside a $ref
            node["allOf"] = [{"$ref": reference}]
        parent["properties"][value.path[-1]] = {"description": value.description} | {
            key: inner for key, inner in node.items() if key != "description"
        }
    return schema


def built() -> dict[Path, str]:
    """Every file that is made, with what it should hold."""
    files: dict[Path, str] = {}
    for folder, source in COPIES.items():
        for path in sorted((ROOT / "dashboards").glob(source)):
            files[CHART / "files" / folder / path.name] = path.read_text()
    documented = list(values((CHART / "values.yaml").read_text()))
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    files[readme] = _TABLE.sub(lambda match: f"{match[1]}{table(documented)}{match[2]}", readme.read_text())
    files[schema] = json.dumps(described(json.loads(schema.read_text()), documented), indent=2) + "\n"
    return files


def stale() -> dict[Path, str | None]:
    """What differs from what it should be; None for a copy whose original is gone."""
    files = built()
    copied = [path for folder in COPIES for path in (CHART / "files" / folder).glob("*")]
    wrong: dict[Path, str | None] = {path: None for path in copied if path not in files}
    wrong |= {path: text for path, text in files.items() if not path.exists() or path.read_text() != text}
    return wrong


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description="Build what in the chart is made of something else.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is stale")
    is_check = parser.parse_args().check
    wrong = stale()
    for path, text in wrong.items():
        sys.stdout.write(f"{'stale' if is_check else 'written'}: {path.relative_to(ROOT)}\n")
        if is_check:
            continue
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    sys.exit(1 if is_check and wrong else 0)


if __name__ == "__main__":
    main()
