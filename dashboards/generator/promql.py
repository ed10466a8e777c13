"""Fragments of PromQL that rules and dashboards share.

The rule of this file: it knows metrics and labels, and nothing of Grafana's variables or of thresholds.
"""


def by_prefix(vector: str) -> str:
    """*vector*, which has the label `ip`, with the label `prefix`: the /24 of an IPv4 address, the /64 of an IPv6 one.

    The exporter writes IPv6 addresses as RFC 5952 does, so that a `::` within the first four groups stands for all
    that is missing of them. What fits neither pattern is a prefix of its own.
    """
    return relabelled(
        vector,
        "prefix",
        ("$1", "(.*)"),
        ("$1.0/24", r"(\\d+\\.\\d+\\.\\d+)\\.\\d+"),
        ("$1::/64", "([0-9a-f]+(?::[0-9a-f]+){3}):.*"),
        ("$1::/64", "([0-9a-f]+(?::[0-9a-f]+){0,2})::.*"),
    )


def relabelled(vector: str, label: str, *rewrites: tuple[str, str]) -> str:
    """*vector* with *label* made of its `ip` by the last of *rewrites* (replacement, regular expression) that fits."""
    opened = "label_replace(" * len(rewrites)
    closed = "".join(f',\n  "{label}", "{replacement}", "ip", "{pattern}")' for replacement, pattern in rewrites)
    return f"{opened}\n  {vector}{closed}"
