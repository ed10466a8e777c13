"""Lists the banned words that a tree still contains: run `python -m tests.architecture.words PATH...`.

`PROSE` is banned everywhere: identifiers, docstrings, comments, messages, documents. `NAMES` is banned as a part of the
names that our Python code defines, since these words are ordinary English in a sentence but say nothing as a name.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("exporter", "dashboards", "docs", "helm", "README.md")
SUFFIXES = {".py", ".md", ".yml", ".yaml", ".json", ".html", ".js", ".jsx", ".css", ".tpl", ".txt", ".svg", ".zone"}

PROSE = {
    r"mend(s|ed|ing)?": "fix",
    r"news": "changed, dirty",
    r"voices?": "source",
    r"accusers?": "failing source",
    r"defenders?": "passing source",
    r"witness(es)?": "source, second source",
    r"electorate": "sources, quorum",
    r"opinions?": "source, result",
    r"hold|holds|held|holding|holder": "last conclusive, known; block; keep; contain",
    r"tell|tells|told|telling": "report, log, say",
    r"said": "helo; reported",
    r"moments?": "timestamp, at",
    r"octets?": "byte",
    r"agendas?": "items",
    r"evenly": "interleave, spread",
    r"strides?": "block",
    r"neighbou?rs?": "block",
    r"chunks?": "block",
    r"sheets?": "block",
    r"outlines?": "codes, interned result",
    r"rebuilders?": "codec",
    r"keepers?": "store",
    r"fed": "loaded",
    r"unlisted": "not enumerable",
    r"adopt(s|ed|ing)?": "publish, reload",
    r"take(s|n)? over|taking over|took over": "copy, publish, reload",
    r"carr(y|ies|ied|ying) over": "copy",
    r"mishaps?": "retry",
    r"detours?": "retry",
    r"doubt(s|ed|ful)?": "ambiguous reply; unknown",
    r"patience": "timeout",
    r"breath(e|es|ing)?": "yield to the loop",
    r"the other way round": "reverse check",
    r"two lists": "SPF coverage",
    r"side by side": "in one run, together",
    r"whoever|whomever": "a subject",
    r"anew": "again",
    r"comes? to|came to": "is, results in",
    r"be it": "a subject and a verb",
    r"lest": "so that ... not",
    r"as good as": "almost",
    r"the rule of this (file|folder)": "drop it",
}
NAMES = {
    "accused", "admitted", "agenda", "breathe", "doubt", "feed", "form", "forms", "guard", "guards", "held", "hold",
    "keeper", "least", "mark", "marks", "moment", "most", "notes", "paper", "parts", "piece", "pieces", "place",
    "places", "plain", "positions", "said", "space", "spaces", "span", "spans", "tell", "told", "turn", "turns", "walk",
    "words", "electorate", "judge", "opinion", "witness", "carry", "carried", "carrying", "adopt", "patterns",
}  # fmt: skip
STANDARD = (
    r"octet[1-4]",  # the parts of an IPv4 address in a HELO template, a configuration contract
    r"maildns_pool_unlisted_samples_total",  # public names, which stay
    r"unlisted_samples",
    r"tree walk|tree_walk",  # RFC 9989, DMARC
    r"application/octet-stream",
    r"text/plain",
    r"stylesheet",
    r"placeholders?",
    r"outline(?:-offset)?:",  # CSS
    r"news\.example\.(?:net|org)",  # a domain of the demo world
    r"withh(?:old|olds|eld|olding)",
    r"transfer-encoding: chunked",
)

_PROSE = re.compile(
    "|".join(rf"(?P<w{i}>(?<![A-Za-z])(?:{word})(?![a-z]))" for i, word in enumerate(PROSE)), re.IGNORECASE
)
_ANY = re.compile("|".join(PROSE))
_STANDARD = re.compile("|".join(STANDARD), re.IGNORECASE)


def files(paths: list[Path]) -> Iterator[Path]:
    """Every text file of ours below *paths*; what a build or a test left there is not ours."""
    for path in paths:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (one for one in found if one.suffix in SUFFIXES and not {"node_modules", "dist"} & set(one.parts))


def banned_prose(path: Path) -> Iterator[str]:
    """Each banned word of the file as `path:line: word -> replacement`."""
    replacements = list(PROSE.values())
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    lowered = text.lower()
    for number in sorted({lowered.count("\n", 0, found.start()) + 1 for found in _ANY.finditer(lowered)}):
        line = lines[number - 1]
        spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", _STANDARD.sub("", line))
        for match in _PROSE.finditer(spaced):
            replacement = replacements[int((match.lastgroup or "w0")[1:])]
            yield f"{path}:{number}: {match[0]!r} -> {replacement}"


def banned_names(path: Path) -> Iterator[str]:
    """Each banned word in a name that the Python file defines, as `path:line: name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
        if not _STANDARD.search(name) and NAMES.intersection(words):
            yield f"{path}:{node.lineno}: name {name!r}"
    if NAMES.intersection(re.split("_", path.stem)):
        yield f"{path}:1: file name {path.stem!r}"


def banned(paths: list[Path]) -> list[str]:
    """Everything to rewrite below *paths*."""
    found = list(files(paths))
    prose = [line for path in found for line in banned_prose(path)]
    return prose + [line for path in found if path.suffix == ".py" for line in banned_names(path)]


if __name__ == "__main__":
    lines = banned([Path(name) for name in sys.argv[1:] or FOLDERS])
    print(*lines, f"{len(lines)} to rewrite", sep="\n")
