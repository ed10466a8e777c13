"""YAML as a tree. The mistakes are in mistakes/yaml.yml."""

import yaml

from exporter.config.tree import MAX_DEPTH, MAX_NODES, read_tree
from tests.unit.config.reading import problems_of

POOLS = "pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]\n"


def test_a_lone_surrogate_is_not_text():
    """A Python string can have one, a file cannot: the problem has its position."""
    assert problems_of("a: \ud800") == [r"1:4: has the character '\ud800', which YAML does not allow: remove it"]


def test_a_byte_order_mark_is_ignored():
    """It is no problem, and does not change columns."""
    assert problems_of("\ufeff" + POOLS) == []
    assert problems_of("\ufeff{}") == ["1:1: pools: is required, or `domains`"]


def test_an_alias_repeats_a_value():
    """Anchors and aliases work as YAML has them."""
    text = "pools: [{name: a, helo_names: &n [a.example.com]}, {name: b, helo_names: *n}]"
    assert problems_of(text) == []


def test_a_problem_in_a_repeated_value_is_shown_at_each_path():
    """A value that an alias repeats has one position, but two paths."""
    text = (
        "pools:\n"
        "- {name: a, interval: &i 1s, helo_names: [a.example.com]}\n"
        "- {name: b, interval: *i, helo_names: [b.example.com]}\n"
    )
    assert problems_of(text) == [
        "2:23: pools[0].interval: is 1s: it has to be from 10s to 1d",
        "2:23: pools[1].interval: is 1s: it has to be from 10s to 1d",
    ]


def test_aliases_cannot_blow_up():
    """A few lines that stand for a billion values are an error as soon as they exceed the limit."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith(f": is too much: a configuration has at most {MAX_NODES} values")


def test_aliases_cannot_nest_without_end():
    """Depth includes what an alias repeats, so recursion over the tree cannot overflow the stack."""
    lines = ["a0: &a0 [x]", *[f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 2000)]]
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith(f": is nested too deeply: a configuration has at most {MAX_DEPTH} levels")


def test_the_two_parsers_of_pyyaml_give_the_same_tree(monkeypatch):
    """The result without libyaml is the same, only slower."""
    text = "a: {b: [1, 'x', yes]}\nc: &x |\n  text\nd: *x\n"
    fast, fast_problems = read_tree(text, "m.yml")
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    slow, slow_problems = read_tree(text, "m.yml")
    assert fast is not None
    assert slow is not None
    assert (fast.data(), fast_problems) == (slow.data(), slow_problems)
    assert fast.data() == {"a": {"b": (1, "x", "yes")}, "c": "text\n", "d": "text\n"}
