"""docs/configuration.md agrees with the model."""

import json
import re
from pathlib import Path

import pytest

from exporter.checks.addresses import Address
from exporter.checks.result import ADDRESS_CHECKS
from exporter.config.load import parse
from exporter.config.model import BUILT_IN, sections
from exporter.config.templates import PLACEHOLDERS, HeloTemplate

PAGE = Path("docs/configuration.md").read_text(encoding="utf-8")
SECTIONS = {
    (): "The file",
    ("resolvers",): "resolvers",
    ("resolvers", "canary", "<canary>"): "canary",
    ("storage",): "storage",
    ("pools",): "pools",
    ("pools", "addresses", "<ip>"): "addresses",
    ("pools", "addresses", "<ips>"): "addresses",
    ("pools", "addresses", "<network>"): "addresses",
    ("pools", "expect", "<edit>"): "expect",
    ("pools", "sample", "<sample>"): "sample",
    ("dnsbls",): "dnsbls",
    ("domains",): "domains",
    ("domains", "expect", "<edit>"): "expect",
    ("profiles",): "profiles",
    ("profiles", "expect", "<edit>"): "expect",
}


def tables(heading: str) -> list[list[list[str]]]:
    """The tables under a heading: rows of cells, with the header rows first."""
    section = re.split(r"^#+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()] for block in blocks]


def documented(heading: str) -> dict[str, str]:
    """The keys under a heading, each with its default as written."""
    (table,) = [table for table in tables(heading) if table[0] == ["Key", "Value", "Default", "Meaning"]]
    return {key.strip("`"): default for key, _, default, _ in table[2:]}


def shown(value: object) -> str:
    """A default as the page writes it."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, tuple):
        return f"`{json.dumps([str(item) for item in value])}`"
    return f"`{value}`"


def test_every_mapping_of_the_file_has_a_section():
    """Each mapping of the model has a heading on the page."""
    assert {path for path, _ in sections()} == set(SECTIONS)


@pytest.mark.parametrize("heading", sorted(set(SECTIONS.values())))
def test_every_key_is_documented_and_no_other(heading):
    """The table under a heading has the keys of the model, in both directions."""
    known = {key for path, model in sections() if SECTIONS[path] == heading for key in model.model_fields}
    assert set(documented(heading)) == known


def test_every_default_is_the_models():
    """A default in backquotes is the model's; a required key is called required; all others are known words."""
    descriptions = {
        "the short list",
        "those of the file",
        "none",
        "on",
        "the profile's",
        "the same",
        "the system's",
        "the usual",
        "one, of the system's servers",
    }
    for path, model in sections():
        for key, field in model.model_fields.items():
            default = documented(SECTIONS[path])[key]
            if field.is_required():
                assert default.startswith("required"), (path, key)
            elif default not in descriptions:
                assert default == shown(field.default), (path, key)
            else:
                assert field.default is None or field.default == () or default == "on", (path, key)


def test_every_example_loads():
    """Each example can be copied."""
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        parse(example, "configuration.md")


def test_the_profiles_are_those_that_are_built_in():
    """Names, checks, suffixes and reasons are those of the code."""
    (table,) = [table for table in tables("profiles") if table[0][0] == "Profile"]
    assert list(table[2:]) == [
        [
            f"`{profile.name}`",
            ", ".join(f"`{check}`" for check in ADDRESS_CHECKS if check in profile.expect),
            f"`{profile.aligned_suffix}`" if profile.aligned_suffix else "none",
            profile.reason,
        ]
        for profile in BUILT_IN.values()
    ]


def test_the_placeholders_give_what_the_page_says():
    """Every placeholder is on the page, and its examples are right."""
    (table,) = [table for table in tables("addresses") if table[0][0] == "Placeholder"]
    seen = {4: set(), 6: set()}
    for placeholder, _, *examples in table[2:]:
        first, *last = re.findall(r"{(\w+)}", placeholder)
        names = [f"{first[:-1]}{number}" for number in range(1, int(last[0][-1]) + 1)] if last else [first]
        for family, text, example in zip((4, 6), ("192.0.2.10", "2001:db8::10"), examples, strict=True):
            if example:
                seen[family] |= set(names)
                made = [str(HeloTemplate.parse(f"{{{name}}}").of(Address.parse(text))) for name in names]
                assert example == ", ".join(f"`{one}`" for one in made)
    assert seen == {family: set(known) for family, known in PLACEHOLDERS.items()}
