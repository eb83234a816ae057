"""A grid: the values that keys of a recipe take, and the runs that all combinations of them are.

    downstream = "mean_pool"        # what all runs share, as in any recipe

    [grid]                          # each combination is a run
    upstream = ["fbank", {name = "hubert", weights = "base"}, ["hubert", "cpc"]]
    benchmark = ["emodb", "emotale"]
    "training.epochs" = [20, 50]

    [[rows]]                        # with each of these on top, if there are any
    recipe = "superb"
    [[rows]]
    fusion = "early"

A table without a name, such as `[rows.training]`, changes what it says of what all runs share; one
with a name, such as an upstream, takes the place of another, of which it keeps nothing but which
layers are read unless it says that itself. Lists of the command line take the place of what a file
says of their keys, anywhere in it.

A run is made anew from its number whenever it is needed: a grid of any size takes no memory.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serbench.errors import SerbenchError, unknown
from serbench.runs import recipe as recipes
from serbench.runs.settings import assign, in_place_of, put

MOST = 1_000_000
"""Runs that a grid may have."""

_OWN = ("grid", "rows", "recipe")


@dataclass(frozen=True)
class Grid:
    """The runs of a sweep, by their numbers from 1.

    Attributes:
        shared: what is in all of them, as a recipe's keys.
        axes: the values that keys take, dotted ones too, "recipe" among them.
        rows: what is on top of each combination, one after the other; at least one.
        settings: KEY=VALUE that come last in each.
    """

    shared: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    rows: Sequence[Mapping[str, Any]] = ({},)
    settings: Sequence[str] = field(default=())

    def __len__(self) -> int:
        """Return how many runs there are."""
        return math.prod(map(len, self.axes.values())) * len(self.rows)

    def cell(self, number: int) -> dict[str, Any]:
        """Return what one run has that not all have: keys and values."""
        place, found = divmod(number - 1, math.prod(map(len, self.axes.values())))
        cell: dict[str, Any] = {}
        for key in reversed([*self.axes]):
            found, choice = divmod(found, len(self.axes[key]))
            cell = _layer({key: self.axes[key][choice]}) | cell
        cell |= _layer(self.rows[place])
        return {key: value for key, value in cell.items() if not self._is_replaced(key)}

    def raw(self, number: int) -> dict[str, Any]:
        """Return the recipe of a run, as `recipe.resolve` takes it.

        Raises:
            SerbenchError: its recipe cannot be read, or a setting means nothing.
        """
        cell = self.cell(number)
        base = cell.pop("recipe", self.shared.get("recipe"))
        raw = _read(base) if base is not None else {}
        shared = _layer({key: value for key, value in self.shared.items() if key != "recipe"})
        _lay(raw, shared, {})
        _lay(raw, cell, shared)
        assign(raw, self.settings)
        return raw

    def name(self, number: int) -> str:
        """Return how messages call a run: "row 73 (upstream=hubert, benchmark=emodb)"."""
        cell = self.cell(number).items()
        told = ", ".join(f"{key}={_short(self._changed(key, value))}" for key, value in cell)
        return f"row {number}" + (f" ({told})" if told else "")

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of all runs."""
        yield from range(1, len(self) + 1)

    def _is_replaced(self, key: str) -> bool:
        """Whether a setting takes the place of what a run says of a key."""
        return any(f"{key}.".startswith(f"{setting.split('=')[0]}.") for setting in self.settings)

    def _changed(self, key: str, value: Any) -> Any:
        """Return what a run says of a key with what settings change inside of it."""
        changed = {key: {"name": value} if isinstance(value, str) else copy.deepcopy(value)}
        for setting in self.settings:
            inner, equals, _ = setting.partition("=")
            if equals and inner.startswith(f"{key}.") and _said(changed, inner):
                assign(changed, [setting])
        return changed[key]


def _read(base: Any) -> dict[str, Any]:
    """Return the recipe that a run starts from.

    Raises:
        SerbenchError: there is none of that name.
    """
    if not isinstance(base, str):
        msg = f"grid key 'recipe' must be a name or the path of a .toml file, not {_short(base)}"
        raise SerbenchError(f"{msg}; `serbench list recipes` shows the names")
    return dict(recipes.read_recipe(recipes.path_of(base)))


def _layer(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is laid on a recipe, with the keys dotted of tables that take no other's place.

    >>> _layer({"training": {"batch": 8}, "upstream": {"name": "hubert", "weights": "base"}})
    {'training.batch': 8, 'upstream': {'name': 'hubert', 'weights': 'base'}}
    """
    laid: dict[str, Any] = {}
    for key, value in values.items():
        if _nameless(value):
            laid |= {f"{key}.{inner}": each for inner, each in _layer(value).items()}
        else:
            laid[key] = value
    return laid


def _nameless(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and "name" not in value


def _lay(raw: dict[str, Any], layer: Mapping[str, Any], below: Mapping[str, Any]) -> None:
    """Write keys into a recipe, whole parts before what is inside them.

    Args:
        raw: the recipe; changed.
        layer: keys, dotted ones too, and values.
        below: what lies under it; what that says inside of a part holds for whatever comes in its
            place, too, unless this says otherwise itself.
    """
    for key in sorted(layer, key=lambda key: key.count(".")):
        for place in _places(raw, key):
            value = copy.deepcopy(layer[key])  # what is written into is this run's own
            put(raw, place, in_place_of(raw.get(key), value) if key == "upstream" else value)
        inside = {inner: value for inner, value in below.items() if inner.startswith(f"{key}.")}
        for inner, value in inside.items():
            for place in _places(raw, inner):
                if not _said(raw, place):
                    put(raw, place, copy.deepcopy(value))


def _places(raw: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield where a key is: of several parts in each, unless it says in which."""
    part, _, inner = key.partition(".")
    parts = raw.get(part)
    if inner and isinstance(parts, list) and not inner.split(".")[0].isdecimal():
        yield from (f"{part}.{number}.{inner}" for number in range(1, len(parts) + 1))
    else:
        yield key


def _said(raw: Any, key: str) -> bool:
    """Whether a recipe says something of a key, be it that what it is inside of is off."""
    for inner in key.split("."):
        if isinstance(raw, list) and inner.isdecimal():
            raw = dict(enumerate(raw, start=1)).get(int(inner))
        elif isinstance(raw, Mapping) and inner in raw:
            raw = raw[inner]
        else:
            return raw is False
    return True


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        name, rest = value.get("name", ""), {k: v for k, v in value.items() if k != "name"}
        return f"{name} {' '.join(f'{key}={each}' for key, each in rest.items())}".strip()
    if isinstance(value, list):
        return "+".join(map(_short, value))
    return str(value)


def read(path: Path) -> dict[str, Any]:
    """Return what a grid file says.

    Raises:
        SerbenchError: there is none, or it is no TOML.
    """
    return recipes.read_recipe(path, "grid file", "docs/grids.md shows what one says")


def made(raw: Mapping[str, Any], axes: Mapping[str, Any], settings: Sequence[str] = ()) -> Grid:
    """Return the grid of a file's content, with axes of the command line in the place of its keys.

    Raises:
        SerbenchError: a key that no recipe has, or an axis that is no list of values.
    """
    shared = {key: value for key, value in raw.items() if key not in ("grid", "rows")}
    all_axes = {**_table("grid", raw.get("grid", {})), **axes}
    shared = _less(shared, axes)
    rows = raw.get("rows", [{}])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SerbenchError("grid key 'rows' must be tables, each under a line [[rows]]")
    tables = [("", [*shared, *all_axes]), *((f" in row {n}", row) for n, row in enumerate(rows, 1))]
    for where, keys in tables:
        for key in keys:
            if key.split(".")[0] not in (*recipes.KEYS, *_OWN):
                raise unknown(f"grid key{where}", key, (*recipes.KEYS, *_OWN))
    for key, values in all_axes.items():
        if not isinstance(values, list):
            msg = f"grid key '{key}' must be a list of the values it takes, not {values!r}"
            raise SerbenchError(msg)
        if not values:
            msg = f"grid key '{key}' is an empty list; give the values it takes, or leave it out"
            raise SerbenchError(msg)
    rows = [_less(row, axes) for row in rows]
    grid = Grid(shared, all_axes, rows, settings)
    # of an axis whose values a setting replaces, all would be the same run
    kept = {key: values for key, values in all_axes.items() if not grid._is_replaced(key)}
    grid = replace(grid, axes=kept)
    if len(grid) > MOST:
        raise SerbenchError(f"the grid has {len(grid)} runs, more than {MOST}; take some away")
    return grid


def _less(values: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without those whose place axes take: not tables that say more of any part."""
    return {k: v for k, v in values.items() if k not in axes or (_nameless(v) and "test" not in v)}


def _table(key: str, value: Any) -> Mapping[str, Any]:
    """Return a table with its nested tables' keys dotted, as `--set` writes them.

    Raises:
        SerbenchError: it is none.
    """
    if not isinstance(value, Mapping):
        raise SerbenchError(f"grid key '{key}' must be a table of lists, not {value!r}")
    flat: dict[str, Any] = {}
    for name, each in value.items():
        if isinstance(each, Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in _table(name, each).items()}
        else:
            flat[name] = each
    return flat
