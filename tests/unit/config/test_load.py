"""Loading: mistakes and their messages, files that cannot be read, and any text."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config.configuration import Configuration
from exporter.config.load import MAX_BYTES, load, parse
from exporter.errors import ConfigError
from tests.unit.config.reading import problems_of
from tests.unit.dns.certificates import make_certificate
from tests.yaml_files import read_yaml

CASES = [
    pytest.param(case["text"], case["problems"], id=f"{path.stem}-{case['id']}")
    for path in sorted(Path(__file__).with_name("mistakes").glob("*.yml"))
    for case in read_yaml(path.read_text(encoding="utf-8"))
]


def test_there_are_cases():
    """The files are found, and they have cases."""
    assert len(CASES) > 100


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_mistake(text, expected):
    """All problems are reported at once, each with its position, its path and what would be right."""
    assert problems_of(text) == expected


POOLS = b"pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]\n"


def problem_of(path: Path) -> str:
    """The one problem of the file at *path*, as text."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_a_missing_file(tmp_path):
    """The message names the missing file."""
    path = tmp_path / "m.yml"
    assert problem_of(path) == f"{path}: does not exist: name the configuration file with --config.file"


def test_a_folder(tmp_path):
    """A folder is not a file."""
    assert problem_of(tmp_path) == f"{tmp_path}: is a folder: name the file in it"


def test_a_path_that_no_file_can_have():
    """A NUL in the path is escaped in the message."""
    assert problem_of(Path("m\0.yml")) == r"m\x00.yml: cannot be read: embedded null byte"


def test_a_file_that_may_not_be_read(tmp_path):
    """The message has the system's reason. The test uses a loop of links, because root may read every file."""
    path = tmp_path / "m.yml"
    path.symlink_to(path)
    assert problem_of(path) == f"{path}: cannot be read: {os.strerror(40)}"


def test_a_file_that_is_too_large(tmp_path):
    """The limit is checked before the content is parsed."""
    path = tmp_path / "m.yml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert problem_of(path) == (
        f"{path}: is larger than 16 MiB, the limit of a configuration: write networks, not addresses"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            POOLS + "# für".encode("latin-1"),
            "2:4: has the byte 0xfc, which is not UTF-8: save the file as UTF-8",
            id="latin-1",
        ),
        pytest.param(
            "# über".encode() + b"\xff",
            "1:7: has the byte 0xff, which is not UTF-8: save the file as UTF-8",
            id="column",
        ),
        pytest.param(POOLS.decode().encode("utf-16"), "1:1: is UTF-16: save it as UTF-8", id="utf-16"),
        pytest.param(b"", " is empty: it needs `pools`, or `domains`", id="empty"),
    ],
)
def test_bytes_that_are_not_text(tmp_path, content, expected):
    """A byte that is not UTF-8 has a position in lines and characters."""
    path = tmp_path / "m.yml"
    path.write_bytes(content)
    assert problem_of(path) == f"{path}:{expected}"


def test_relative_paths_start_at_the_file(tmp_path):
    """A CA file is relative to the configuration, whatever the working directory is."""
    path = tmp_path / "m.yml"
    certificate = make_certificate(tmp_path, "DNS:dns.example.org")
    (tmp_path / "ca.pem").write_bytes(certificate.read_bytes())
    path.write_text(f"resolvers: [{{name: a, ca_file: ca.pem}}, {{name: b, ca_file: {certificate}}}, {{name: c}}]\n")
    path.write_bytes(path.read_bytes() + POOLS)
    files = [settings.ca_file for settings in load(path).resolver_settings()]
    assert files == [tmp_path / "ca.pem", certificate, None]


def test_a_file_of_certificates_that_cannot_be_used(tmp_path):
    """Each such file is a problem with a position, before a resolver starts with it."""
    path = tmp_path / "m.yml"
    (tmp_path / "empty.pem").write_bytes(b"")
    path.write_bytes(b"resolvers: [{name: a, ca_file: gone.pem}, {name: b, ca_file: empty.pem}]\n" + POOLS)
    with pytest.raises(ConfigError) as bad:
        load(path)
    assert str(bad.value).splitlines() == [
        f"{path}:1:32: resolvers[0].ca_file: 'gone.pem' cannot be read: No such file or directory",
        f"{path}:1:62: resolvers[1].ca_file: 'empty.pem' has no certificate: name a file of certificates in PEM format",
    ]


def read(text: str) -> Configuration | ConfigError:
    """The configuration of *text*, or its error."""
    try:
        return parse(text, "m.yml")
    except ConfigError as error:
        return error


LINE_BREAKS = "\n\r\x85\u2028\u2029"  # YAML 1.1 section 4.2


def assert_valid_outcome(text: str) -> None:
    """Loading any text gives a valid configuration, or an error with valid problems."""
    outcome = read(text)
    if isinstance(outcome, Configuration):
        assert outcome.pools
        return
    assert outcome.problems
    for problem in outcome.problems:
        assert problem.what
        assert str(problem).isprintable()
        assert 0 <= problem.line <= 1 + sum(map(text.count, LINE_BREAKS))


@example("pools: [{name: a, addresses: [{ip: 192.0.2.1}]}]")
@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_any_text_gives_a_configuration_or_a_configuration_error(text):
    """No text causes another exception, even with surrogates and control characters."""
    assert_valid_outcome(text)


SCALARS = st.sampled_from(
    [
        "pools",
        "resolvers",
        "profiles",
        "name",
        "addresses",
        "ip",
        "network",
        "helo",
        "expect",
        "interval",
        "canary",
        "a",
        "b",
        "5m",
        "192.0.2.1",
        "192.0.2.0/24",
        "2001:db8::1",
        "mta{octet4}.example.com",
        "fcrdns",
        "true",
        "no",
        "010",
        "1:30",
        "~",
        "''",
        '"\\0"',
        "&a",
        "*a",
        "!!str",
        "<<",
        "<ip>",
        "=",
        "|",
        ">",
        "?",
        "%",
        "@",
        "`",
    ]
)
SHAPES = st.sampled_from(["{", "}", "[", "]", ",", ": ", "- ", "\n", "\n  ", "\n- ", " ", "\t", "# ", "---\n"])


@given(st.lists(SCALARS | SHAPES, max_size=60).map("".join))
def test_any_yaml_like_text_gives_a_configuration_or_a_configuration_error(text):
    """The same for text that looks like a configuration."""
    assert_valid_outcome(text)


KEYS = st.sampled_from(
    [
        "pools",
        "resolvers",
        "profiles",
        "name",
        "addresses",
        "ip",
        "network",
        "helo",
        "helo_names",
        "expect",
        "add",
        "remove",
        "interval",
        "canary",
        "profile",
        "based_on",
        "aligned_suffix",
        "series",
        "ptr_info",
        "servers",
        "attempts",
        "must_resolve",
        "x",
        "<ip>",
    ]
)
LEAVES = st.sampled_from(
    [
        "a",
        "5m",
        "192.0.2.1",
        "192.0.2.0/24",
        "10.0.0.0/8",
        "'2001:db8::1'",
        "'mta{octet4}.example.com'",
        "fcrdns",
        "1",
        "dedicated",
        "true",
        "no",
        "010",
        "~",
        "1.5",
        "''",
        "9999999999999999999999",
        ".nan",
        "2026-01-01",
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=5).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        )
    ),
    max_leaves=25,
)
ENTRIES = st.lists(TREES, max_size=4).map(lambda items: f"[{', '.join(items)}]")


@given(st.lists(st.tuples(KEYS, TREES | ENTRIES), max_size=6))
def test_any_tree_gives_a_configuration_or_a_configuration_error(items):
    """The same for well-formed YAML with any values at any keys."""
    assert_valid_outcome("".join(f"{key}: {value}\n" for key, value in items))


@given(st.lists(st.tuples(KEYS, TREES), max_size=4), st.lists(st.tuples(KEYS, TREES), max_size=4))
def test_any_pool_gives_a_configuration_or_a_configuration_error(pool, entry):
    """The same for the keys of a pool."""
    fields = "".join(f"  {key}: {value}\n" for key, value in pool)
    inner = ", ".join(f"{key}: {value}" for key, value in entry)
    assert_valid_outcome(f"pools:\n- name: a\n{fields}- name: b\n  addresses: [{{{inner}}}]\n")


def test_the_storage_is_beside_the_configuration(tmp_path):
    """A relative path starts at the configuration's folder, whatever the working directory is. A folder is an error."""
    path = tmp_path / "m.yml"
    path.write_bytes(b"storage: {path: data/maildns.db}\n" + POOLS)
    storage = load(path).storage
    assert storage is not None
    assert storage.path == str(tmp_path / "data" / "maildns.db")

    (tmp_path / "data" / "maildns.db").mkdir(parents=True)
    assert problem_of(path) == f"{path}:1:17: storage.path: 'data/maildns.db' is a folder: name the file in it"
