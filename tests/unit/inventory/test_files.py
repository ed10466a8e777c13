"""Files of addresses: read when they change, ignored while they have problems, forgotten when they are deleted."""

import os
import sys

import pytest

from exporter.inventory.files import FilesContent, scan


def texts(content: FilesContent) -> list[str]:
    return [str(content.addresses.at(position)[0]) for position in range(content.addresses.size)]


def test_files_come_change_break_and_go(tmp_path):
    """Two files appear, one breaks and is fixed, and one is deleted."""
    pattern = (str(tmp_path / "*.yml"),)
    none = scan(pattern, FilesContent())
    assert (texts(none), len(none.problems)) == ([], 1)

    (tmp_path / "a.yml").write_text("- {ip: 192.0.2.1}\n- {network: 192.0.2.8/31}\n")
    (tmp_path / "b.yml").write_text('[{"targets": ["192.0.2.1", "192.0.2.3"], "labels": {"helo": "x.example.com"}}]')
    both = scan(pattern, none)
    assert (texts(both), both.problems) == (["192.0.2.1", "192.0.2.3", "192.0.2.8", "192.0.2.9"], ())
    assert scan(pattern, both) is both

    (tmp_path / "a.yml").write_text("- {ip: 192.0.2.1}\n- {ip: 192.0.2.300}\n")
    broken = scan(pattern, both)
    assert texts(broken) == texts(both)
    assert [str(problem) for problem in broken.problems] == [
        f"{tmp_path}/a.yml:2:8: [1].ip: '192.0.2.300' is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10"
    ]
    assert scan(pattern, broken) is broken

    (tmp_path / "a.yml").write_text("- {ip: 192.0.2.2}\n")
    fixed = scan(pattern, broken)
    assert (texts(fixed), fixed.problems) == (["192.0.2.1", "192.0.2.2", "192.0.2.3"], ())

    (tmp_path / "b.yml").unlink()
    assert texts(scan(pattern, fixed)) == ["192.0.2.2"]


def test_a_replaced_file_of_the_same_time_and_length_is_read(tmp_path):
    """The inode is another one, as when Kubernetes replaces a file."""
    file = tmp_path / "a.yml"
    file.write_text("- {ip: 192.0.2.1}\n")
    os.utime(file, ns=(5, 5))
    first = scan((str(file),), FilesContent())
    other = tmp_path / "new"
    other.write_text("- {ip: 192.0.2.2}\n")
    os.utime(other, ns=(5, 5))
    other.rename(file)
    assert texts(scan((str(file),), first)) == ["192.0.2.2"]


def test_more_addresses_than_a_pool_may_have_are_refused(tmp_path):
    """The pool keeps the addresses that it had, and the problem says why."""
    file = tmp_path / "a.yml"
    file.write_text("- {ip: 192.0.2.1}\n")
    first = scan((str(file),), FilesContent())
    file.write_text("[{network: 10.0.0.0/12}, {network: 10.16.0.0/12}]\n")
    second = scan((str(file),), first)
    assert texts(second) == ["192.0.2.1"]
    assert "2097152 addresses together: a pool has at most 1048576" in str(second.problems[0])


def test_a_network_that_is_too_big_to_enumerate_stays_a_range(tmp_path):
    """It is not among the enumerated addresses, and stays while the file has a problem."""
    file = tmp_path / "a.json"
    file.write_text('[{"targets": ["2001:db8::/32", "2001:db8::25"]}, {"network": "2001:db9::/64"}]')
    first = scan((str(file),), FilesContent())
    assert (texts(first), first.problems) == (["2001:db8::25"], ())
    assert [high - low + 1 for low, high in first.not_enumerable] == [2**96, 2**64]

    file.write_text('[{"targets": ["2001:db8::/32", "10.0.0.0/8"], "labels": {"helo": "x.example.com"}}]')
    second = scan((str(file),), first)
    assert (texts(second), second.not_enumerable) == (texts(first), first.not_enumerable)
    assert [str(problem).partition(" has ")[0] for problem in second.problems] == [
        f"{file}:1:15: [0].targets[0]: 2001:db8::/32",
        f"{file}:1:32: [0].targets[1]: 10.0.0.0/8",
    ]


def test_a_server_with_both_families(tmp_path):
    """An entry may list its addresses; a mistake in one of them has its place."""
    file = tmp_path / "a.yml"
    file.write_text('- {ip: [192.0.2.10, "2001:db8::a"], helo: mail.example.org}\n')
    assert texts(scan((str(file),), FilesContent())) == ["192.0.2.10", "2001:db8::a"]
    file.write_text('- {ip: [192.0.2.10, "192.0.2.11:25"]}\n')
    (problem,) = scan((str(file),), FilesContent()).problems
    assert str(problem) == f"{file}:1:21: [0].ip[1]: '192.0.2.11:25' is more than an address: write 192.0.2.11"


def test_only_regular_files_are_read(tmp_path):
    """A FIFO without a writer and a device would block a reader for ever."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "good").write_text("- {ip: 192.0.2.1}\n")

    content = scan((f"{tmp_path}/*",), FilesContent())

    assert texts(content) == ["192.0.2.1"]
    assert [problem.file.rpartition("/")[2] for problem in content.problems] == ["device", "fifo", "folder"]
    assert all("not a regular file" in str(problem) for problem in content.problems)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.yml", ["a/b/three.yml", "a/linked.yml", "a/two.yml", "one.yml"]),
        ("a/**/*.yml", ["a/b/three.yml", "a/linked.yml", "a/two.yml"]),
        ("?/**/**/three.yml", ["a/b/three.yml"]),
        ("**/b/*", ["a/b/three.yml"]),
        ("a/b/**", ["a/b/three.yml"]),
        ("[ab]/*.yml", ["a/linked.yml", "a/two.yml"]),
        ("circle/*.yml", ["one.yml"]),
    ],
)
@pytest.mark.parametrize("is_relative", [True, False])
def test_two_stars_match_folders_but_no_links_to_them(tmp_path, monkeypatch, pattern, expected, is_relative):
    """So a link to a folder above cannot make a circle. A link to a file is a file, and a named link is followed."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / ".hidden").mkdir()
    for number, name in enumerate(("one.yml", "a/two.yml", "a/b/three.yml", ".hidden/four.yml"), 1):
        (tmp_path / name).write_text(f"- {{ip: 192.0.2.{number}}}\n")
    (tmp_path / "a" / "linked.yml").symlink_to(tmp_path / "one.yml")
    monkeypatch.chdir(tmp_path)

    content = scan((pattern if is_relative else f"{tmp_path}/{pattern}",), FilesContent())

    assert content.problems == ()
    found = [name.removeprefix(f"{tmp_path}/").removeprefix("circle/") for name in content.files]
    assert found == expected


def test_a_stop_ends_a_scan(tmp_path):
    """What was known stays."""
    (tmp_path / "a.yml").write_text("- {ip: 192.0.2.1}\n")
    known = scan((f"{tmp_path}/*.yml",), FilesContent())
    (tmp_path / "a.yml").write_text("- {ip: 192.0.2.22}\n")

    assert scan((f"{tmp_path}/*.yml",), known, lambda: True) is known


def test_a_thousand_mistakes_are_reported_briefly(tmp_path):
    """The first fifty by line, and how many there are."""
    (tmp_path / "a.yml").write_text("".join(f"- {{ip: 192.0.2.{number}x}}\n" for number in range(1000)))

    problems = scan((f"{tmp_path}/a.yml",), FilesContent()).problems

    assert str(problems[0]) == f"{tmp_path}/a.yml: has 1000 problems; the first 50 are"
    assert [problem.line for problem in problems[1:]] == list(range(1, 51))


@pytest.mark.slow
def test_twice_as_many_mistakes_take_twice_as_long(tmp_path):
    """Counted in lines of Python, which a busy machine does not blur."""
    counts = []
    for size in (1000, 2000):
        (tmp_path / "a.yml").write_text("".join(f"- {{ip: 192.0.2.{number}x}}\n" for number in range(size)))
        lines = 0

        def count(_frame, _event, _argument):
            nonlocal lines
            lines += 1
            return count

        before = sys.gettrace()
        sys.settrace(count)
        scan((f"{tmp_path}/a.yml",), FilesContent())
        sys.settrace(before)
        counts.append(lines)

    assert 1.5 < counts[1] / counts[0] < 2.5
