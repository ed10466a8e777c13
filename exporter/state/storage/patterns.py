"""The texts of many addresses at once: what those of one form have in common is written once.

The rule of this file: a text is, to the letter, what `address_text` writes of the state that is made of the same
outline. To make such a state and write it takes four times as long, and half a million may be news at the very end.
"""

import re
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from exporter.checks.helo import HeloName
from exporter.checks.report import Target
from exporter.state.forms import Form, Outline, Rebuilder, Times
from exporter.state.storage.addresses import address_text

_SLOT = re.compile(r'"\\u0001(\w+)"')
_PTR, _CONFIRMED, _CONCLUDED_AT, _CHANGED_AT = "ptr", "confirmed", "concluded", "changed"


class Patterns:
    """Writes states of pools that are kept in numbers. It is as good as new for as long as it lives."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[int, int, bool], tuple[Form, str]] = {}

    def text(self, target: Target, outline: Outline) -> str:
        """What `address_text` writes of the state of *target* that is made of *outline*."""
        form, ptr_names, confirmed_names, times = outline
        is_same = ptr_names == confirmed_names
        key = (id(form), len(target.helos), is_same)
        known = self._patterns.get(key)
        if known is None:  # it holds on to the form, or another one might come to have its number
            known = self._patterns[key] = (form, _pattern(target, form, is_same=is_same))
        slots: dict[str, Any] = {f"helo{place}": quoted(said.text) for place, said in enumerate(target.helos)}
        slots[_PTR] = ",".join(map(quoted, ptr_names))
        slots[_CONFIRMED] = slots[_PTR] if is_same else ",".join(map(quoted, confirmed_names))
        _, slots[_CONCLUDED_AT], slots[_CHANGED_AT] = times
        return known[1] % slots


def _pattern(target: Target, form: Form, *, is_same: bool) -> str:
    """The text of a state of *form*, with slots in place of names and times: no name has a control character."""
    helos = [HeloName(_slot(f"helo{place}"), None) for place in range(len(target.helos))]
    names = (_slot(_PTR),), (_slot(_PTR if is_same else _CONFIRMED),)
    times: Any = Times(0.0, *map(_slot, (_CONCLUDED_AT, _CHANGED_AT)))  # type: ignore[arg-type]  # they are slots, too
    state = Rebuilder(form).state(Target(target.address, tuple(helos)), names, times)
    return _SLOT.sub(r"%(\1)s", address_text(state).replace("%", "%%"))


def _slot(name: str) -> str:
    return f"\1{name}"
