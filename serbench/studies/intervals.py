"""Intervals over speakers: those of a corpus are a sample of people, their clips are not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

LEVEL = 0.95
_LEAST = 3
"""Speakers below which nothing is said of others."""


class Interval(NamedTuple):
    """A value and where it would be for other speakers, in 95 of 100 samples of them."""

    value: float
    low: float
    high: float


def jackknife(value: float, without: Numbers) -> Interval:
    """Return the delete-one-speaker jackknife interval of a value, by t with k - 1 degrees.

    Args:
        value: of all k speakers.
        without: (k,) the same without each of them. NaN where that is not defined gives NaN.
    """
    import numpy as np
    from scipy.stats import t

    count = len(without)
    if count < _LEAST:
        return Interval(value, math.nan, math.nan)
    error = math.sqrt((count - 1) / count * float(np.square(without - without.mean()).sum()))
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Interval(value, value - half, value + half)


def mean(values: Numbers) -> Interval:
    """Return the mean of one value a speaker; its jackknife is the t interval."""
    count = len(values)
    if not count:
        return Interval(math.nan, math.nan, math.nan)
    total = values.sum()
    return jackknife(float(total) / count, (total - values) / max(count - 1, 1))


def pearson(first: Numbers, second: Numbers) -> Interval:
    """Return Pearson's r of two values a speaker, by the jackknife of Fisher's z = artanh r.

    Args:
        first: (k,) one a speaker.
        second: (k,) likewise.
    """
    import numpy as np

    def z(rows: Numbers) -> float:
        one, other = first[rows], second[rows]
        if len(one) < _LEAST or not (one.std() > 0 and other.std() > 0):
            return math.nan
        r = float(np.corrcoef(one, other)[0, 1])
        return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))

    places = np.arange(len(first))
    without = np.array([z(places[places != place]) for place in places])
    return Interval(*(math.tanh(each) for each in jackknife(z(places), without)))
