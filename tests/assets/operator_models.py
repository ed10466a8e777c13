"""Validates objects of the Prometheus operator's kinds with the operator's types.

    build/operator-models/bin/python tests/assets/operator_models.py < objects.json

It runs in a separate environment (`make operator-models`) with the operator's types as pydantic models of cloudcoil.
Input is a JSON list of objects. Output is a JSON list with a message for each: empty if the object is valid and keeps
every key.
"""

import json
import sys
from typing import Any

from cloudcoil.models.prometheus_operator import v1
from pydantic import ValidationError


def complaint(found: dict[str, Any]) -> str:
    """What is wrong with an object. Its model drops unknown keys, as the API server does."""
    model = getattr(v1, found["kind"])
    try:
        read = model.model_validate(found)
    except ValidationError as error:
        return str(error)
    kept = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return "\n".join(lost(found, kept, found["kind"]))


def lost(before: Any, after: Any, path: str) -> list[str]:
    """A line for each difference between two JSON values."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in lost(before.get(key), after.get(key), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for number, (one, other) in pairs for line in lost(one, other, f"{path}[{number}]")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


if __name__ == "__main__":
    json.dump([complaint(found) for found in json.load(sys.stdin)], sys.stdout)
