"""Alerting and recording rules as data, from which the files for Prometheus and for Grafana are written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RUNBOOKS = "https://github.com/maildns-exporter/maildns-exporter/blob/main/docs/runbooks"
"""Where docs/runbooks/ is published: one page per alert, named after it."""

Severity = Literal["critical", "warning", "info"]
"""critical pages somebody: mail is refused, or nobody is watching. warning opens a ticket. info is worth knowing."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule, with a comment for the rule file."""

    record: str
    expr: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule: fires for each series of *query* that is beyond *threshold*.

    Query and threshold are separate because Prometheus compares in PromQL and Grafana in an expression of its own.

    Attributes:
        name: The alert's name, which is also that of its runbook.
        query: PromQL for the value to compare.
        op: How the value compares with the threshold when the alert fires.
        threshold: The value to compare with.
        pending: How long the condition must last before the alert fires (`for`). A failure was confirmed by a second
            sample before it shows, so for a page it covers little more than a scrape.
        keep_firing: How long the alert goes on after the condition ended; empty for not at all.
        severity: Who is notified, and how.
        is_capped: Whether the series have a label `severity`, which the pool's configuration allows at most.
        summary: What is broken, in the same words for every instance.
        description: Template over `$labels` and `$value`: what is broken, what it means, what to do.
        comment: Why the rule is as it is, for readers of the rule file.
        page: Template for the page of the exporter that shows it, as a path.
        dashboard: Template for the dashboard that shows it, as a path in Grafana.
        grafana_query: The query for Grafana, if that for Prometheus reads a recording that remembers.
        on_error: What Grafana makes of a query that fails.
    """

    name: str
    query: str
    op: Literal[">", "<"] = ">"
    threshold: float = 0
    pending: str = "5m"
    keep_firing: str = "2m"
    severity: Severity
    is_capped: bool = False
    summary: str
    description: str
    comment: str
    page: str
    dashboard: str
    grafana_query: str = ""
    on_error: Literal["KeepLast", "Error"] = "KeepLast"

    @property
    def expr(self) -> str:
        """The whole condition, in PromQL."""
        return f"(\n{indented(self.query)}\n) {self.op} {self.threshold:g}"

    @property
    def runbook(self) -> str:
        """The URL of the alert's runbook."""
        return f"{RUNBOOKS}/{self.name}.md"

    @property
    def severity_label(self) -> str:
        """The label `severity`, or a template for it."""
        if not self.is_capped or self.severity == "info":
            return self.severity
        if self.severity == "critical":
            return "{{ $labels.severity }}"
        return '{{ if eq $labels.severity "info" }}info{{ else }}warning{{ end }}'


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together: first the recordings, then the alerts that read them.

    Attributes:
        name: The group's name.
        recordings: Its recording rules, in the order of evaluation.
        alerts: Its alerting rules.
        interval: How often the group is evaluated.
    """

    name: str
    recordings: Sequence[Recording]
    alerts: Sequence[Alert]
    interval: str = "30s"


def indented(text: str, by: int = 2) -> str:
    """*text* with each line indented by *by* spaces."""
    return "\n".join(" " * by + line if line else line for line in text.splitlines())


def seconds(duration: str) -> int:
    """A duration of one unit, like ``5m``, in seconds."""
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def sentence(reasons: Mapping[str, str]) -> str:
    """A template for the label `reason` in words; a reason without words is shown as it is."""
    cases = [f'if eq $labels.reason "{reason}" }}}}{phrase}' for reason, phrase in reasons.items()]
    return "{{ " + "{{ else ".join(cases) + "{{ else }}{{ $labels.reason }}{{ end }}"


ADDRESS_PAGE, ADDRESS_DASHBOARD = "/addresses/{{ $labels.ip }}", "/d/maildns-address?var-ip={{ $labels.ip }}"
POOL_PAGE, POOL_DASHBOARD = "/pools/{{ $labels.pool }}", "/d/maildns-fleet?var-pool={{ $labels.pool }}"
DOMAIN_PAGE = "/domains/{{ $labels.domain }}"
EXPORTER_PAGE, EXPORTER_DASHBOARD = "/exporter", "/d/maildns-exporter?var-instance={{ $labels.instance }}"

_FORWARD = {
    "ptr-nxdomain": "the address has no PTR record (NXDOMAIN)",
    "ptr-nodata": "the address has no PTR record",
    "forward-nxdomain": "its PTR name does not exist",
    "forward-nodata": "its PTR name has no address of the same family",
    "forward-mismatch": "its PTR name resolves to other addresses",
    "ptr-missing-dot": "its PTR record was written without the final dot, so the zone's name is appended",
    "ptr-address": "its PTR record has an address, where a name is needed",
    "ptr-special-use": "its PTR name is under a special-use domain like .local, which nobody else can resolve",
    "ptr-syntax": "its PTR name is no host name",
    "address-not-public": "receivers cannot see the address: it is private, or otherwise special",
}
_SPF = {
    "spf-none": "there is no SPF record",
    "spf-neutral": "the SPF record is neutral about the address",
    "spf-softfail": "the SPF record does not authorise the address (softfail)",
    "spf-fail": "the SPF record forbids the address",
    "spf-syntax": "the SPF record has a syntax error",
    "spf-several-records": "there are several SPF records, where one is allowed",
    "spf-no-target": "the SPF record includes a name without an SPF record",
    "spf-lookup-limit": "the SPF record needs more than 10 lookups",
    "spf-void-lookup-limit": "more than 2 lookups of the SPF record find nothing",
    "spf-mx-limit": "an mx term of the SPF record has more than 10 hosts",
    "spf-loop": "the SPF record includes itself",
    "spf-passes-all": "the SPF record lets everybody pass",
}
REASONS: dict[str, dict[str, str]] = {
    "fcrdns": _FORWARD,
    "helo": {
        **_FORWARD,
        "helo-syntax": "the name is no valid host name",
        "helo-unqualified": "the name has no domain",
        "helo-literal": "it is an address in brackets, not a name",
        "helo-nxdomain": "the name does not exist",
        "helo-dangling": "its CNAME leads to a name that does not exist",
        "helo-special-use": "the name is under a special-use domain like .local, which nobody else can resolve",
        "helo-nodata": "the name has no address of the same family",
        "helo-mismatch": "the name resolves to other addresses",
        "helo-not-ptr": "the name is not a PTR name of the address",
        "helo-not-aligned": "the name and the PTR name are not in one domain",
    },
    "spf": _SPF,
    "dkim": {
        "dkim-missing": "there is no key",
        "dkim-dangling": "its CNAME leads to a name that does not exist",
        "dkim-several-records": "there are several records, where one is allowed",
        "dkim-syntax": "the record has a syntax error",
        "dkim-revoked": "the key is revoked (p= is empty)",
        "dkim-key-type": "the type of the key is unknown",
        "dkim-key-unreadable": "the key cannot be read",
        "dkim-key-weak": "the key is too short to be believed",
        "dkim-not-for-email": "the key is not for mail (s=)",
    },
    "dmarc": {
        "dmarc-missing": "there is no DMARC record",
        "dmarc-dangling": "the CNAME at _dmarc leads to a name that does not exist",
        "dmarc-several-records": "there are several DMARC records, where one is allowed",
        "dmarc-syntax": "the DMARC record has a syntax error",
        "dmarc-policy": "the DMARC record has no valid policy (p=)",
        "dmarc-reports-unauthorised": "a host that reports go to does not accept them",
    },
    "others": {
        "mx-missing": "there is no MX record",
        "mx-null": "the null MX refuses all mail",
        "mx-unresolvable": "a host of an MX record has no address",
        "mx-dangling": "the CNAME of an MX host leads to a name that does not exist",
        "mx-missing-dot": "an MX record was written without its final dot, so the zone's name is appended",
        "mx-address": "an MX record has an address, where a name is needed",
        "mx-special-use": "an MX host is under a special-use domain, which nobody else can resolve",
        "mx-syntax": "the host of an MX record is no host name",
        "mx-not-public": "a host of an MX record has an address that senders cannot reach",
        "mx-alias": "a host of an MX record is an alias (CNAME)",
        "mta-sts-dangling": "the CNAME at _mta-sts leads to a name that does not exist",
        "tls-rpt-dangling": "the CNAME at _smtp._tls leads to a name that does not exist",
        "mta-sts-missing": "there is no MTA-STS record",
        "mta-sts-several-records": "there are several MTA-STS records, where one is allowed",
        "mta-sts-syntax": "the MTA-STS record has a syntax error",
        "mta-sts-no-host": "the host of the MTA-STS policy does not resolve",
        "tls-rpt-missing": "there is no TLS-RPT record",
        "tls-rpt-several-records": "there are several TLS-RPT records, where one is allowed",
        "tls-rpt-syntax": "the TLS-RPT record has a syntax error",
    },
}
"""What each label `reason` means, in words that follow a colon; by check, or kind of check."""
