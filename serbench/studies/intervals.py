"""Figures with 95 % intervals over speakers, as `serbench.scoring.intervals` finds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

_LEAST = 4
"""Speakers that a correlation needs, so that three are left when one is left out."""


class Interval(NamedTuple):
    """A value and where it would be for other speakers, in 95 of 100 samples of them."""

    value: float
    low: float
    high: float


class _Told(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def plain(found: _Told) -> Interval:
    """Return the interval of a figure or of a difference."""
    return Interval(found.value, found.low, found.high)


def pearson(first: Numbers, second: Numbers) -> Interval:
    """Return Pearson's r of two values a speaker, by the jackknife of Fisher's z = artanh r.

    Args:
        first: (k,) one a speaker.
        second: (k,) likewise.
    """
    import numpy as np

    from serbench.scoring.intervals import Shares, interval

    count = len(first)
    if count < _LEAST:
        return Interval(math.nan, math.nan, math.nan)
    places = np.arange(count)
    whole = _z(first, second)
    without = np.array([_z(first[places != i], second[places != i]) for i in places])
    parts = (count * whole - (count - 1) * without) / count
    found = interval(Shares(whole, tuple(map(str, places)), parts, np.full(count, 1 / count)))
    return Interval(*(math.tanh(each) for each in plain(found)))


def uncorrelated(
    first: Numbers, second: Numbers, one: str = "first", other: str = "second"
) -> str | None:
    """Return why two values a speaker have no Pearson's r with an interval; None: they have.

    Args:
        first: (k,) one a speaker.
        second: (k,) likewise.
        one: how the first is called.
        other: how the second is called.
    """
    import numpy as np

    if len(first) < _LEAST:
        return f"{len(first)} speakers have both, and it takes {_LEAST}"
    for name, values in ((one, first), (other, second)):
        counts = np.unique(values, return_counts=True)[1]
        if len(counts) == 1:
            return f"{name} of all speakers is the same"
        if counts.max() == len(values) - 1:
            return f"{name} of all speakers but one is the same"
    return None


def _z(first: Numbers, second: Numbers) -> float:
    import numpy as np

    if not (first.std() > 0 and second.std() > 0):
        return math.nan
    r = float(np.corrcoef(first, second)[0, 1])
    return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
