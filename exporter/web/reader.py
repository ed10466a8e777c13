"""Reading a mapping of the web configuration key by key.

The rule of this file: whatever a key holds, something usable comes out; what was wrong is noted with its place, and a
key that nobody asked for is wrong too.
"""

from exporter.config.tree import Node, path_text
from exporter.errors import Problem


class Reader:
    """Takes the keys of a mapping one by one; what nobody took is a problem too."""

    def __init__(self, source: str, node: Node, problems: list[Problem], path: tuple[str, ...] = ()) -> None:
        self._source = source
        self._node = node
        self._problems = problems
        self._path = path
        self._taken: set[str] = set()
        self._children = node.content if isinstance(node.content, dict) else {}
        if not isinstance(node.content, dict):
            self.complain(None, "is no mapping (`key: value`)")

    def complain(self, key: str | None, what: str) -> None:
        """Note a problem with *key*, or with the mapping itself."""
        child = None if key is None else self._children.get(key)
        node = child or self._node
        path = path_text([*self._path, *([] if key is None else [key])])
        self._problems.append(Problem(self._source, node.line, node.column, path, what))

    def names(self) -> tuple[str, ...]:
        """Every key that is there."""
        return tuple(self._children)

    def section(self, key: str) -> "Reader | None":
        """A mapping; None if it is not there."""
        self._taken.add(key)
        child = self._children.get(key)
        if child is None or child.content is None:
            return None
        return Reader(self._source, child, self._problems, (*self._path, key))

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return default
        if isinstance(content, str):
            return content
        self.complain(key, "is no text: put it in quotes")
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return default
        if not isinstance(content, bool):
            self.complain(key, "is neither true nor false")
            return default
        return content

    def whole(self, key: str, low: int, high: int) -> int:
        """A number from *low* to *high*."""
        self._taken.add(key)
        content = self._content(key)
        if isinstance(content, bool) or not isinstance(content, int) or not low <= content <= high:
            self.complain(key, f"is not a whole number from {low} to {high}")
            return low
        return content

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        self._taken.add(key)
        content = self._content(key)
        if content is None:
            return ()
        if not isinstance(content, list) or not all(isinstance(one.content, str) for one in content):
            self.complain(key, "is no list of texts")
            return ()
        return tuple([str(one.content) for one in content])

    def finish(self) -> None:
        """Complain of what nobody took."""
        for key in self._children.keys() - self._taken:
            self.complain(key, f"is not a known key; known are {', '.join(sorted(self._taken))}")

    def _content(self, key: str) -> object:
        child = self._children.get(key)
        return None if child is None else child.content
