"""Random values that a JSON schema accepts, for the part of draft 7 that the chart's schema uses.

Conditions between sections (`if`, `not`) are ignored: validate the drawn values as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("\n\té"), max_size=30)
KNOWN = frozenset(
    {"$comment", "$ref", "additionalProperties", "allOf", "anyOf", "const", "description", "enum", "items", "maxItems"}
    | {"maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "pattern"}
    | {"properties", "propertyNames", "required", "type", "uniqueItems"}
)


class SchemaStrategies:
    """Strategies for nodes of one schema. Nodes whose `$comment` is a key of *samples* draw from its examples."""

    def __init__(self, definitions: Mapping[str, Any], samples: Mapping[str, Sequence[Any]]) -> None:
        self._definitions = definitions
        self._samples = samples

    def of(self, node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        """Values that *node* accepts. Raises `ValueError` for an unsupported keyword of JSON schema."""
        if unknown := node.keys() - KNOWN:
            raise ValueError(f"unsupported keywords: {sorted(unknown)}")
        comment = str(node.get("$comment", ""))
        if comment in self._samples:
            return st.sampled_from(self._samples[comment])
        if "$ref" in node:
            return self.of(self._definitions[node["$ref"].rpartition("/")[2]])
        if "allOf" in node:
            (only,) = node["allOf"]
            return self.of(only)
        if "anyOf" in node:
            return st.one_of([self.of(choice) for choice in node["anyOf"]])
        if "const" in node:
            return st.just(node["const"])
        if "enum" in node:
            return st.sampled_from(node["enum"])
        by_type: dict[str, Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]] = {
            "boolean": lambda _: st.booleans(),
            "integer": lambda node: st.integers(node.get("minimum"), node.get("maximum", 2**31 - 1)),
            "number": lambda _: st.integers(-1000, 1000) | st.floats(-1000, 1000).map(lambda number: round(number, 3)),
            "string": self._string,
            "array": self._array,
            "object": self._object,
        }
        return by_type[node["type"]](node)

    def _string(self, node: Mapping[str, Any]) -> st.SearchStrategy[str]:
        # In Python, `$` also matches before a final line feed; in Go it does not.
        drawn = st.from_regex(node["pattern"].replace("$", r"\Z")) if "pattern" in node else PRINTABLE
        return drawn.filter(lambda text: node.get("minLength", 0) <= len(text) <= node.get("maxLength", 1000))

    def _array(self, node: Mapping[str, Any]) -> st.SearchStrategy[list[Any]]:
        min_size = node.get("minItems", 0)
        lists = st.lists(self.of(node["items"]), min_size=min_size, max_size=max(min_size, 3))
        return (
            lists.filter(lambda items: all(items.count(item) == 1 for item in items))
            if "uniqueItems" in node
            else lists
        )

    def _object(self, node: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        if "properties" in node:
            properties = {key: self.of(inner) for key, inner in node["properties"].items()}
            required = set(node.get("required", ()))
            return st.fixed_dictionaries(
                {key: drawn for key, drawn in properties.items() if key in required},
                optional={key: drawn for key, drawn in properties.items() if key not in required},
            )
        names = self.of({"type": "string", **node["propertyNames"]}) if "propertyNames" in node else PRINTABLE
        if not isinstance(node.get("additionalProperties"), Mapping):
            return st.just({})
        return st.dictionaries(names, self.of(node["additionalProperties"]), max_size=3)
