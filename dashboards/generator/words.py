"""The reasons of failures in a few words each, for tables that are read at a glance.

The rule of this file: where there is room, the reason itself is shown; documentation and runbooks go by that.
"""

from dashboards.generator.panels import override

REASONS = {
    "ptr-nxdomain": "no PTR name",
    "ptr-nodata": "no PTR name",
    "forward-nxdomain": "PTR name does not exist",
    "forward-nodata": "PTR name has no address",
    "forward-mismatch": "PTR name leads elsewhere",
    "helo-syntax": "HELO name is no host name",
    "helo-unqualified": "HELO name is a single label",
    "helo-literal": "HELO is an address, not a name",
    "helo-nxdomain": "HELO name does not exist",
    "helo-nodata": "HELO name has no address",
    "helo-mismatch": "HELO name leads elsewhere",
    "helo-not-ptr": "HELO name is not the PTR name",
    "helo-not-aligned": "HELO and PTR name are of two domains",
    "spf-none": "no SPF record",
    "spf-neutral": "SPF says nothing of the address",
    "spf-softfail": "SPF does not authorise it (~all)",
    "spf-fail": "SPF does not authorise it",
    "spf-syntax": "SPF record cannot be read",
    "spf-several-records": "two SPF records",
    "spf-no-target": "SPF includes what is not there",
    "spf-lookup-limit": "SPF takes too many lookups",
    "spf-void-lookup-limit": "SPF looks for what is not there",
    "spf-mx-limit": "SPF looks for too many hosts (mx)",
    "dnsbl-listed": "on a block list",
}
"""Every reason of a check of an address that fails."""

IN_WORDS = override(
    "mappings",
    [
        {
            "type": "value",
            "options": {
                reason: {"text": words, "index": index} for index, (reason, words) in enumerate(REASONS.items())
            },
        }
    ],
)
"""The style of a column of reasons."""
