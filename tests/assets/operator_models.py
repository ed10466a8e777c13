"""Reads objects of the Prometheus operator's kinds, and says what the operator would not take, or would lose.

    build/operator-models/bin/python tests/assets/operator_models.py < objects.json

The rule of this file: it runs in an environment of its own (`make operator-models`), which has the operator's types as
models of cloudcoil's and nothing of ours. For each object on its standard input, a list, there is a text on its
standard output, a list too: empty where the object is read without a complaint, and written again is what it was.
"""

import json
import sys
from typing import Any

from cloudcoil.models.prometheus_operator import v1
from pydantic import ValidationError


def complaint(found: dict[str, Any]) -> str:
    """What is wrong with an object; a key that its type does not have is lost on the way, as with the API server."""
    model = getattr(v1, found["kind"])
    try:
        read = model.model_validate(found)
    except ValidationError as error:
        return str(error)
    kept = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return "\n".join(lost(found, kept, found["kind"]))


def lost(before: Any, after: Any, place: str) -> list[str]:
    """Where the two differ: what one has and the other has not, or has otherwise."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [line for key in keys for line in lost(before.get(key), after.get(key), f"{place}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for number, (one, other) in pairs for line in lost(one, other, f"{place}[{number}]")]
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]


if __name__ == "__main__":
    json.dump([complaint(found) for found in json.load(sys.stdin)], sys.stdout)
