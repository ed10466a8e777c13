"""Every way in which an address can be right or wrong: what is published for it, and what is to be found out.

What is expected is written down by hand, kind by kind; nothing of `exporter.checks` is asked.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

DOMAIN = "outbound.example.org"
"""Where PTR and HELO names live, unless a kind wants them elsewhere."""

ELSEWHERE = "hosting.example.net"
BROKEN = "broken.example.net"
"""A zone that its server cannot load: everything in it is SERVFAIL."""

FIRST_IPV4 = IPv4Address("40.92.0.0")  # a public /15; only servers on loopback are asked about it
FIRST_IPV6 = IPv6Address("2001:db8:18::1")
STRANGER = {4: "192.0.2.99", 6: "2001:db8:ffff::99"}
ALL_HELO_CHECKS = ("helo-syntax", "helo-resolves", "helo-address-match", "helo-ptr-match", "helo-aligned")


class Site:
    """One address on its way into the world: what it is called, and what is published for it."""

    def __init__(self, number: int, family: int) -> None:
        first = FIRST_IPV4 if family == 4 else FIRST_IPV6
        self.address = ip_address(int(first) + number)
        self.name = f"mta{number}-{family}.{DOMAIN}"
        self.rdtype = "A" if family == 4 else "AAAA"
        self.other_rdtype = "AAAA" if family == 4 else "A"
        self.other_address = STRANGER[10 - family]
        self.stranger = STRANGER[family]
        self.reverse = f"{self.address.reverse_pointer}."
        self.records: list[tuple[str, str]] = []

    def ptr(self, *names: str, owner: str = "") -> None:
        """Publish PTR records; the address's own name if none is given."""
        for name in names or (self.name,):
            self.add(f"{owner or self.reverse} PTR {name}.")

    def forward(self, name: str = "", address: str = "") -> None:
        """Publish an address record; the right one if nothing is given."""
        self.add(f"{name or self.name}. {self.rdtype} {address or self.address}")

    def add(self, line: str) -> None:
        """Publish a line whose owner is absolute."""
        self.records.append((line.split(" ", 1)[0], line))


Reasons = dict[str, str]
Kind = Callable[[Site], tuple[str, str, Reasons]]
"""Publishes what makes the kind, and says HELO name, verdict and reasons."""


def _right(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    site.forward()
    return site.name, "pass", {}


def _no_ptr(site: Site) -> tuple[str, str, Reasons]:
    site.forward()
    reason = "ptr-nxdomain"
    return site.name, "permerror", {"fcrdns": reason, "helo-ptr-match": reason, "helo-aligned": reason}


def _ptr_nodata(site: Site) -> tuple[str, str, Reasons]:
    site.add(f'{site.reverse} TXT "no PTR here"')
    site.forward()
    return site.name, "permerror", dict.fromkeys(["fcrdns", "helo-ptr-match", "helo-aligned"], "ptr-nodata")


def _forward_gone(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    gone = "helo-nxdomain"
    return site.name, "fail", {"fcrdns": "forward-nxdomain", "helo-resolves": gone, "helo-address-match": gone}


def _forward_elsewhere(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    site.forward(address=site.stranger)
    return site.name, "fail", {"fcrdns": "forward-mismatch", "helo-address-match": "helo-mismatch"}


def _forward_nodata(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    site.add(f"{site.name}. {site.other_rdtype} {site.other_address}")
    return site.name, "fail", {"fcrdns": "forward-nodata", "helo-address-match": "helo-nodata"}


def _two_ptr_names_one_right(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(f"a-{site.name}", site.name)
    site.forward(f"a-{site.name}", site.stranger)
    site.forward()
    return site.name, "pass", {}


def _two_ptr_names_both_wrong(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(f"gone-{site.name}", site.name)
    site.forward(address=site.stranger)
    return site.name, "fail", {"fcrdns": "forward-mismatch", "helo-address-match": "helo-mismatch"}


def _twelve_ptr_names(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(*[f"{letter}-{site.name}" for letter in "abcdefghijk"], site.name)
    site.forward()
    return site.name, "fail", {"fcrdns": "forward-nxdomain"}


def _forty_ptr_names(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(*[f"z{'z' * 30}{number:02}-{site.name}" for number in range(40)], f"a-{site.name}")  # only TCP has room
    site.forward(f"a-{site.name}")
    return f"a-{site.name}", "pass", {}


def _delegated(site: Site) -> tuple[str, str, Reasons]:
    first, rest = site.reverse.split(".", 1)
    site.add(f"{site.reverse} CNAME {first}.0-127.{rest}")
    site.ptr(owner=f"{first}.0-127.{rest}")
    site.forward()
    return site.name, "pass", {}


def _delegated_nowhere(site: Site) -> tuple[str, str, Reasons]:
    first, rest = site.reverse.split(".", 1)
    site.add(f"{site.reverse} CNAME {first}.nowhere.{rest}")
    site.forward()
    return site.name, "permerror", dict.fromkeys(["fcrdns", "helo-ptr-match", "helo-aligned"], "ptr-nxdomain")


def _alias(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    site.add(f"{site.name}. CNAME host-{site.name}.")
    site.forward(f"host-{site.name}")
    return site.name, "pass", {}


def _mixed_case(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(site.name.upper())
    site.forward()
    return site.name.title(), "pass", {}


def _underscore(site: Site) -> tuple[str, str, Reasons]:
    site.ptr(f"_{site.name}")
    site.forward(f"_{site.name}")
    return f"_{site.name}", "pass", {"helo-syntax": "helo-syntax"}


def _hostile_ptr(site: Site) -> tuple[str, str, Reasons]:
    hostile = rf"\"\010\000\255\060script\062.{site.name}"
    site.ptr(hostile)
    site.forward(hostile)
    gone = {"helo-resolves": "helo-nodata", "helo-address-match": "helo-nodata"}  # an empty non-terminal
    return site.name, "pass", {"helo-ptr-match": "helo-not-ptr", **gone}


def _reverse_servfail(site: Site) -> tuple[str, str, Reasons]:
    site.add(f"{site.reverse} CNAME x.{BROKEN}.")
    site.forward()
    return site.name, "temperror", dict.fromkeys(["fcrdns", "helo-ptr-match", "helo-aligned"], "servfail")


def _forward_servfail(site: Site) -> tuple[str, str, Reasons]:
    site.ptr()
    site.add(f"{site.name}. CNAME x.{BROKEN}.")
    return site.name, "temperror", dict.fromkeys(["fcrdns", "helo-resolves", "helo-address-match"], "servfail")


def _reverse_loop(site: Site) -> tuple[str, str, Reasons]:
    site.add(f"{site.reverse} CNAME loop.{site.reverse}")
    site.add(f"loop.{site.reverse} CNAME {site.reverse}")
    site.forward()
    return site.name, "temperror", dict.fromkeys(["fcrdns", "helo-ptr-match", "helo-aligned"], "chain")


def _helo_in_the_domain(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    site.forward(f"helo-{site.name}")
    return f"helo-{site.name}", "pass", {"helo-ptr-match": "helo-not-ptr"}


def _helo_elsewhere(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    site.forward(f"{site.name.split('.', 1)[0]}.{ELSEWHERE}")
    reasons = {"helo-ptr-match": "helo-not-ptr", "helo-aligned": "helo-not-aligned"}
    return f"{site.name.split('.', 1)[0]}.{ELSEWHERE}", "pass", reasons


def _helo_gone(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    gone = {"helo-resolves": "helo-nxdomain", "helo-address-match": "helo-nxdomain"}
    return f"gone-{site.name}", "pass", {"helo-ptr-match": "helo-not-ptr", **gone}


def _helo_nodata(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    site.add(f'text-{site.name}. TXT "x"')
    nodata = {"helo-resolves": "helo-nodata", "helo-address-match": "helo-nodata"}
    return f"text-{site.name}", "pass", {"helo-ptr-match": "helo-not-ptr", **nodata}


def _helo_other_address(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    site.forward(f"helo-{site.name}", site.stranger)
    return f"helo-{site.name}", "pass", {"helo-ptr-match": "helo-not-ptr", "helo-address-match": "helo-mismatch"}


def _helo_localhost(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    gone = {"helo-resolves": "helo-nxdomain", "helo-address-match": "helo-nxdomain"}
    other = {"helo-ptr-match": "helo-not-ptr", "helo-aligned": "helo-not-aligned"}
    return "mailserver", "pass", {"helo-syntax": "helo-unqualified", **gone, **other}


def _helo_literal(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    tag = "IPv6:" if site.address.version == 6 else ""
    return f"[{tag}{site.address}]", "pass", dict.fromkeys(ALL_HELO_CHECKS, "helo-literal")


def _helo_trailing_dot(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    return f"{site.name}.", "pass", {"helo-syntax": "helo-syntax"}


def _no_helo(site: Site) -> tuple[str, str, Reasons]:
    _right(site)
    return "", "pass", {}


KINDS: Mapping[str, Kind] = {
    "right": _right,
    "no-ptr": _no_ptr,
    "ptr-nodata": _ptr_nodata,
    "forward-gone": _forward_gone,
    "forward-elsewhere": _forward_elsewhere,
    "forward-nodata": _forward_nodata,
    "two-ptr-names-one-right": _two_ptr_names_one_right,
    "two-ptr-names-both-wrong": _two_ptr_names_both_wrong,
    "twelve-ptr-names": _twelve_ptr_names,
    "forty-ptr-names": _forty_ptr_names,
    "delegated": _delegated,
    "delegated-nowhere": _delegated_nowhere,
    "alias": _alias,
    "mixed-case": _mixed_case,
    "underscore": _underscore,
    "hostile-ptr": _hostile_ptr,
    "reverse-servfail": _reverse_servfail,
    "forward-servfail": _forward_servfail,
    "reverse-loop": _reverse_loop,
    "helo-in-the-domain": _helo_in_the_domain,
    "helo-elsewhere": _helo_elsewhere,
    "helo-gone": _helo_gone,
    "helo-nodata": _helo_nodata,
    "helo-other-address": _helo_other_address,
    "helo-unqualified": _helo_localhost,
    "helo-literal": _helo_literal,
    "helo-trailing-dot": _helo_trailing_dot,
    "no-helo": _no_helo,
}
"""Every way in which an address of the world can be right or wrong."""
