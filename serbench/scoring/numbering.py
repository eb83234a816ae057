"""Rows of predictions in groups, by numbers: what pandas' own groups take too long for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    Codes = NDArray[np.intp]


class Numbered(NamedTuple):
    """Rows in groups, numbered in the order of appearance.

    groups: (n,) the number of each row's group.
    first: (G,) the first row of each group.
    """

    groups: Codes
    first: Codes


def numbered(table: DataFrame, keys: Iterable[str]) -> Numbered:
    """Return the groups of rows that have the same values in some columns, none of them empty."""
    import numpy as np

    groups = alike(table[key].to_numpy() for key in keys)
    return Numbered(groups, np.unique(groups, return_index=True)[1])


def alike(columns: Iterable[NDArray[Any]]) -> Codes:
    """Return (n,) the number of each row's group: rows with the same values in (n,) columns."""
    from pandas import factorize

    first, *others = columns
    groups, _ = factorize(first)
    for column in others:
        own, names = factorize(column)
        # numbered anew each time, so that no product grows beyond 64 bits
        groups, _ = factorize(groups * len(names) + own)
    return groups


def trials(predictions: DataFrame) -> Iterator[tuple[tuple[Any, Any], Codes]]:
    """Yield the fold and seed of each trial, in the order of appearance, and where its rows are."""
    import numpy as np

    groups, first = numbered(predictions, ["fold", "seed"])
    names = (predictions[key].to_numpy()[first].tolist() for key in ("fold", "seed"))
    ends = np.cumsum(np.bincount(groups))[:-1]
    rows = np.split(np.argsort(groups, kind="stable"), ends)
    yield from zip(zip(*names, strict=True), rows, strict=True)
