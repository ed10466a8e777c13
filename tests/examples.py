"""How many examples a property gets where the usual number is too few or too many: in proportion, in every profile."""

from hypothesis import settings

_USUAL = 100


def examples(count: int) -> settings:
    """Give *count* examples where others get a hundred, and a twentieth of it where they get five (`make check`)."""
    return settings(max_examples=max(1, count * settings.default.max_examples // _USUAL))
