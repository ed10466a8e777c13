"""The labels that a PromQL expression returns, and the errors in it.

Known names are the families of the catalogue, the recording rules and Prometheus' own series. Any other name, a label
that a family does not have, and a join that never matches are errors.
"""

from functools import cache

import promql_parser as promql

from dashboards.generator.outputs import GROUPS
from exporter.metrics.families import CATALOGUE, Family

TARGET = frozenset({"job", "instance"})
"""The labels that Prometheus adds to what it scrapes."""

_PROMETHEUS = {"up": TARGET, "scrape_duration_seconds": TARGET, "ALERTS": frozenset({"alertname", "alertstate"})}
_KEEPS_LABELS = {"topk", "bottomk"}
_SETS = {"and", "or", "unless"}
_FILTERS = {"==", "!=", ">", "<", ">=", "<="}
_SCALARS = {"time", "vector", "scalar", "pi"}

Labels = frozenset[str]


class WrongQueryError(AssertionError):
    """The query uses a name or label that does not exist, or joins vectors that never match."""


def labels_of(expr: str) -> Labels:
    """The labels of the series that *expr* returns. Raises `WrongQueryError`."""
    return _labels(_parsed(expr))


def metrics_of(expr: str) -> set[str]:
    """The names of all series that *expr* reads."""
    names: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            names.add(node.name)

    promql.walk(_parsed(expr), visit)
    return names


def _parsed(expr: str) -> promql.Expr:
    return promql.parse(expr.replace("$__rate_interval", "5m").replace("$__range", "1d"))


@cache
def _known() -> dict[str, Labels]:
    known = dict(_PROMETHEUS)
    for family in CATALOGUE:
        known.update(_series(family))
    return known


@cache
def _recorded() -> dict[str, str]:
    return {rule.record: rule.expr for group in GROUPS for rule in group.recordings}


def _series(family: Family) -> dict[str, Labels]:
    labels = TARGET | set(family.labels)
    if family.kind != "histogram":
        return {family.name: labels}
    name = family.name
    return {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}


def _labels(node: promql.Expr) -> Labels:
    match node:
        case promql.VectorSelector():
            return _selected(node)
        case promql.MatrixSelector():
            return _labels(node.vector_selector)
        case promql.SubqueryExpr() | promql.ParenExpr() | promql.UnaryExpr():
            return _labels(node.expr)
        case promql.AggregateExpr():
            return _aggregated(node)
        case promql.Call():
            return _called(node)
        case promql.BinaryExpr():
            return _combined(node)
        case promql.NumberLiteral() | promql.StringLiteral():
            return frozenset()
    raise WrongQueryError(f"unsupported expression: {node}")


def _selected(node: promql.VectorSelector) -> Labels:
    name = node.name
    if name in _recorded():
        expr = _recorded()[name]
        labels = frozenset(name.partition(":")[0].split("_")) if name in expr else labels_of(expr)
    elif name in _known():
        labels = _known()[name]
    else:
        raise WrongQueryError(f"there is no {name}")
    for matcher in node.matchers.matchers:
        _require({matcher.name}, labels, name)
    return labels


def _aggregated(node: promql.AggregateExpr) -> Labels:
    inner = _labels(node.expr)
    operation = str(node.op)
    if operation in _KEEPS_LABELS:
        return inner
    if node.modifier is None:
        return frozenset()
    chosen = frozenset(node.modifier.labels)
    _require(chosen, inner, operation)
    return chosen if node.modifier.type == promql.AggModifierType.By else inner - chosen


def _called(node: promql.Call) -> Labels:
    name = node.func.name
    vectors = [_labels(argument) for argument in node.args if not isinstance(argument, promql.StringLiteral)]
    if name in _SCALARS:
        return frozenset()
    if name == "absent":
        return frozenset()
    if name == "label_replace":
        _, target, _, source, _ = node.args
        _require({source.val}, vectors[0], name)
        return vectors[0] | {target.val}
    if name == "histogram_quantile":
        _require({"le"}, vectors[-1], name)
        return vectors[-1] - {"le"}
    return vectors[0]


def _combined(node: promql.BinaryExpr) -> Labels:
    left, right = _labels(node.lhs), _labels(node.rhs)
    operation = str(node.op)
    if _is_scalar(node.rhs):
        return left
    if _is_scalar(node.lhs):
        return right
    matching = node.modifier.matching if node.modifier else None
    if matching is not None:
        chosen = frozenset(matching.labels)
        if matching.type == promql.LabelModifierType.Include:
            _require(chosen, left, operation)
            _require(chosen, right, operation)
    elif operation != "or" and left != right:
        raise WrongQueryError(f"{sorted(left)} {operation} {sorted(right)} never match: {node.prettify()}")
    if operation == "or":
        return left | right
    if operation in _SETS or matching is None or _keeps_left(node):
        joined = frozenset(node.modifier.group_labels or ()) if matching is not None else frozenset()
        _require(joined, right, operation)
        return left | joined
    return chosen


def _keeps_left(node: promql.BinaryExpr) -> bool:
    return node.modifier.card == promql.VectorMatchCardinality.ManyToOne


def _is_scalar(node: promql.Expr) -> bool:
    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_scalar(node.expr)
        case promql.Call():
            return node.func.name in {"time", "scalar", "pi"}
        case promql.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return False


def _require(wanted: set[str] | Labels, there: Labels, where: str) -> None:
    missing = sorted(set(wanted) - there)
    if missing:
        raise WrongQueryError(f"{where} has no label {', '.join(missing)}, but {', '.join(sorted(there))}")
