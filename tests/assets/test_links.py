"""Every link from one page of the repository to another leads somewhere."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^]]+\]:\s*(\S+)", re.MULTILINE)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\bdocs/[a-z0-9/-]+\.md\b")
HEADING = re.compile(r"^#+\s+(.*?)\s*#*$", re.MULTILINE)


def files(*patterns):
    """Every file like these that belongs to the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return [path for name in listed if (path := ROOT / name).exists()]


def text(file):
    """What is in it."""
    return file.read_text(encoding="utf-8")


def links(page):
    """What a page links to within the repository: path and fragment."""
    for match in LINK.finditer(CODE.sub("", text(page))):
        parts = urlsplit(match[1] or match[2])
        if not parts.scheme and not parts.netloc:
            yield unquote(parts.path), parts.fragment


def anchors(page):
    """The fragments that a page's headings can be linked by, as GitHub makes them."""
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text(page))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", files("*.md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    """A link names a file or folder that exists, and a heading that is in it."""
    broken = []
    for path, fragment in links(page):
        target = (ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path) if path else page
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            broken.append(f"{path}#{fragment}" if fragment else path)
    assert not broken


def test_a_test_that_a_page_names_is_there():
    """What a promise is tested by exists."""
    named = {name for page in files("docs/*.md") for name in re.findall(r"\btests/[\w/.-]+\w", text(page))}

    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_a_page_that_is_named_in_passing_is_there():
    """Help texts, comments and configuration files send nobody to a page that does not exist."""
    named = {
        name for file in files("*.py", "*.y*ml", "*.toml", "*.txt", "Makefile") for name in NAMED.findall(text(file))
    }
    assert not {name for name in named if not (ROOT / name).exists()}
