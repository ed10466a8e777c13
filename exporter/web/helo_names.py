"""HELO names, the other way round: which share of its pool a name covers, for pages and JSON.

The rule of this file: a share that is not nothing never reads as nothing, and one that is not the whole never as all.
"""

from exporter.inventory.pool import Pool
from exporter.state.helo import HeloState
from exporter.web.documents import Json, finding_document, moment


def share_words(part: int, whole: int) -> str:
    """*part* of *whole* in percent."""
    if not whole or part in {0, whole}:
        return "100%" if part and part == whole else "0%"
    share = 100 * part / whole
    if share < 1:
        return "under 1%"
    return "over 99%" if share > 99 else f"{share:.0f}%"


def helo_name_document(pool: Pool, state: HeloState) -> Json:
    """A HELO name of *pool*: its addresses in numbers, and what is held of its checks."""
    inside = state.pool_addresses
    return {
        "helo": state.said.text,
        "pool": pool.name,
        "resolves": state.resolves,
        "addresses": state.addresses,
        "confirmed_addresses": state.confirmed_addresses,
        "addresses_outside_pool": state.addresses_outside_pool,
        "pool_addresses": inside,
        "pool_share": None if inside is None or not pool.size else inside / pool.size,
        "checks": [finding_document(one, pool.expect) for one in (state.latest.findings if state.latest else ())],
        "held": [finding_document(one, pool.expect) for one in state.held.values()],
        "sampled_at": moment(state.sampled_at),
    }
