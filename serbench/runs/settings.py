"""Settings of a recipe as `KEY=VALUE`, and how they are written into it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from serbench.errors import SerbenchError, unknown


def assign(raw: dict[str, Any], settings: Iterable[str]) -> None:
    """Write `key.subkey=value` settings into a nested dict of a recipe.

    A value is read as JSON (numbers, true, [1, 2]) and otherwise taken as text. A part given by
    its name alone becomes a table with that name; of several upstreams, `upstream.2.layers=last`
    means the second.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            msg = f"--set '{setting}' is not KEY=VALUE; write for instance training.epochs=5"
            raise SerbenchError(msg)
        *parents, last = key.split(".")
        table: Any = raw
        for parent in parents:
            table = _entered(table, parent)
        if isinstance(table, list):
            raise _unnumbered(table, last)
        table[last] = _value(value)


def _entered(table: Any, key: str) -> Any:
    """Return the table of a key, or of several parts the one of this number."""
    if isinstance(table, list):
        if not key.isdecimal() or int(key) not in range(1, len(table) + 1):
            raise _unnumbered(table, key)
        place: Any = int(key) - 1
    else:
        place = key
        table.setdefault(key, {})
    if isinstance(table[place], bool):
        table[place] = {}  # a switch that is set in detail is on
    if not isinstance(table[place], dict | list):
        table[place] = {"name": table[place]}
    return table[place]


def _unnumbered(parts: list[Any], key: str) -> SerbenchError:
    numbers = (str(number) for number in range(1, len(parts) + 1))
    return unknown("upstream", key, numbers, "of several, say which, as in upstream.2.layers=last")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
