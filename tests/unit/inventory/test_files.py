"""Files of addresses: read when they change, ignored while they have problems, forgotten when they are deleted."""

import os

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
