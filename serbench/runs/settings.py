"""Settings of a recipe as `KEY=VALUE`, and how they are written into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
        put(raw, key, _value(value))


def put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Write the value of a dotted key into a nested dict of a recipe, as `assign` does."""
    *parents, last = key.split(".")
    table: Any = raw
    for place, parent in enumerate(parents):
        table = _entered(table, parent, ".".join(parents[:place]))
    table = _alone(table, last, ".".join(parents))
    table[last] = value


def in_place_of(own: Any, given: Any) -> Any:
    """Return the upstreams that take the place of a recipe's, which keep its choice of layers.

    So `--upstream cpc` on a recipe that reads the last layer reads the last of `cpc`. With another
    number of upstreams that holds for what all of the recipe's say.

    Args:
        own: what the recipe says of `upstream`; None: nothing.
        given: one, or a list; what says `layers` itself stays as it is.

    >>> in_place_of({"name": "wav2vec2", "layers": "last"}, ["hubert", "cpc"])
    [{'name': 'hubert', 'layers': 'last'}, {'name': 'cpc', 'layers': 'last'}]
    """
    if not isinstance(given, list | tuple):
        return in_place_of(own, [given])[0]
    before = own if isinstance(own, list | tuple) else [own]
    layers = [part.get("layers") if isinstance(part, Mapping) else None for part in before]
    if len(layers) != len(given):
        agreed = all(said == layers[0] for said in layers)
        layers = [layers[0] if agreed else None] * len(given)
    return [_reading(part, said) for part, said in zip(given, layers, strict=True)]


def _reading(part: Any, layers: Any) -> Any:
    """Return an upstream with a choice of layers, unless there is none or it has its own."""
    if layers is None or (isinstance(part, Mapping) and "layers" in part):
        return part
    return {**(part if isinstance(part, Mapping) else {"name": part}), "layers": layers}


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
        numbers = [str(number) for number in range(1, len(table) + 1)]
        if key.isdecimal():
            raise unknown(above, key, numbers)
        msg = f"there are {len(table)} in '{above}'; say which is meant, as in"
        raise SerbenchError(f"{msg} {above}.{numbers[-1]}.{key}=VALUE")
    if not isinstance(table[0], dict):
        table[0] = {"name": table[0]}
    return table[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number or a nesting that is beyond Python
        return text
