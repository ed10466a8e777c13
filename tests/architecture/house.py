"""Counts files, lines, importers and cycles of `exporter/`: run `python -m tests.architecture.house`."""

import ast
import functools
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

ROOT = Path("exporter")
MAX_FILES = 190
MAX_LINES = 35_600
MAX_SINGLE_IMPORTERS = 26


def module_name(path: Path) -> str:
    """The dotted name under which *path* is imported."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Each module of the package, parsed."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


@functools.cache
def imports() -> dict[str, set[str]]:
    """For each module of the package the modules of the package that it imports, those inside functions included."""
    found: dict[str, set[str]] = {name: set() for name in SOURCES}
    for name, tree in trees().items():
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=str(module)):
                    submodules = {f"{module}.{alias.name}" for alias in node.names} & SOURCES.keys()
                    imported = submodules or {module}
                case ast.Import():
                    imported = {alias.name for alias in node.names}
                case _:
                    continue
            found[name] |= imported & SOURCES.keys() - {name}
    return found


def cycle() -> list[str]:
    """One circle of imports, or nothing."""
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def single_importers() -> dict[str, str]:
    """Each module, packages aside, that exactly one other module imports, with that one."""
    importers = defaultdict(set)
    for name, imported in imports().items():
        for one in imported:
            importers[one].add(name)
    return {
        name: next(iter(found))
        for name, found in sorted(importers.items())
        if len(found) == 1 and SOURCES[name].name != "__init__.py"
    }


@functools.cache
def classes() -> list[ast.ClassDef]:
    """Every class of the package, nested ones included."""
    nodes = chain.from_iterable(map(ast.walk, trees().values()))
    return [node for node in nodes if isinstance(node, ast.ClassDef)]


def shared_class_names() -> list[str]:
    """Names that more than one class of the package has."""
    return sorted(name for name, count in Counter(node.name for node in classes()).items() if count > 1)


def undocumented_fields() -> list[str]:
    """Classes with more than three fields whose docstring has no section `Attributes:`."""
    found = []
    for node in classes():
        bases = {ast.unparse(base).split(".")[-1].split("[")[0] for base in node.bases}
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and "ClassVar" not in ast.unparse(one)]
        is_documented = "Attributes:" in (ast.get_docstring(node) or "")
        if len(fields) > 3 and not is_documented and not bases & {"Protocol", "StrEnum", "Enum", "IntEnum"}:
            found.append(node.name)
    return sorted(found)


def lines() -> int:
    """Lines of all files together."""
    return sum(path.read_text(encoding="utf-8").count("\n") for path in SOURCES.values())


if __name__ == "__main__":
    singles = single_importers()
    print(f"files                    {len(SOURCES):6} of {MAX_FILES} at most")
    print(f"lines                    {lines():6} of {MAX_LINES} at most")
    print(f"single importer          {len(singles):6} of {MAX_SINGLE_IMPORTERS} at most")
    print(f"circle of imports        {' -> '.join(cycle()) or 'none'}")
    print(f"shared class names       {', '.join(shared_class_names()) or 'none'}")
    print(f"undocumented fields      {', '.join(undocumented_fields()) or 'none'}")
    for module, importer in singles.items():
        print(f"  {module} <- {importer}")
