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
    means the second, and so it is with post-processors.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            msg = f"--set '{setting}' is not KEY=VALUE; write for instance training.epochs=5"
            raise SerbenchError(msg)
        *parents, last = key.split(".")
        table: Any = raw
        for place, parent in enumerate(parents):
            table = _entered(table, parent, ".".join(parents[:place]))
        table = _alone(table, last, ".".join(parents))
        table[last] = _value(value)


def _entered(table: Any, key: str, above: str) -> Any:
    """Return the table of a key, or of several parts the one of this number."""
    if isinstance(table, list) and key.isdecimal() and int(key) in range(1, len(table) + 1):
        place: Any = int(key) - 1
    else:
        place, table = key, _alone(table, key, above)
        table.setdefault(key, {})
    if isinstance(table[place], bool):
        table[place] = {}  # a switch that is set in detail is on
    if not isinstance(table[place], dict | list):
        table[place] = {"name": table[place]}
    return table[place]


def _alone(table: Any, key: str, above: str) -> Any:
    """Return the table that a key belongs to: in a list of one part, that part.

    Raises:
        SerbenchError: there are several, or it is the number of none.
    """
    if not isinstance(table, list):
        return table
    if len(table) != 1 or key.isdecimal():
        numbers = (str(number) for number in range(1, len(table) + 1))
        remedy = f"of several, say which, as in {above}.2.{'KEY' if key.isdecimal() else key}=VALUE"
        raise unknown(above, key, numbers, remedy)
    if not isinstance(table[0], dict):
        table[0] = {"name": table[0]}
    return table[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
