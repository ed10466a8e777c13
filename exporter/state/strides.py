"""How a pool's addresses are told apart and together: one octet of health each, and strides of neighbours."""

UNKNOWN, HEALTHY, FAILING = range(3)
"""What `PoolState.healths` has for an address: whether every expected check passes, by what is held."""


NAMES_STRIDE = 1024
"""How many neighbours share an element of `PoolState.name_changes`."""

STRIDE = 512
"""How many neighbours share an element of `PoolState.revisions`."""
