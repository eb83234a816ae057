"""Sums over utterances that metrics follow from, so that leaving a speaker out is a subtraction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serbench.errors import unknown
from serbench.scoring.metrics import divergence_of_each

Values: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.intp]


class Additive(NamedTuple):
    """A metric as a function of sums.

    of: from (n,) truths, (n,) predictions, the labels, (n,) numbers of groups and how many groups
        there are, the (groups, ...) sums of each.
    value: from (..., M) or (..., C, C + 1) sums the (...) metric; NaN where it is undefined.
    """

    of: Callable[[Any, Any, Sequence[str], Codes, int], Values]
    value: Callable[[Values], Values]


def moments(truth: Any, prediction: Any, _: Sequence[str], groups: Codes, count: int) -> Values:
    """Return (groups, 6): how many, then the sums of t, p, t², p² and t p, about one middle."""
    t, p = (np.asarray(side, np.float64) for side in (truth, prediction))
    # CCC does not change when both are moved; far from zero, squares would lose their digits
    middle = t.mean() if len(t) else 0.0
    t, p = t - middle, p - middle
    parts = (np.ones_like(t), t, p, t * t, p * p, t * p)
    return np.stack([np.bincount(groups, part, count) for part in parts], axis=-1)


def ccc(sums: Values) -> Values:
    """Return the CCC (see `metrics.concordance_cc`) of (..., 6) moments."""
    n, t, p, tt, pp, tp = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = tp - t * p / n
        spread = (tt - t * t / n) + (pp - p * p / n) + (t - p) ** 2 / n
        found: Values = np.where((n > 1.5) & (spread > 0), 2 * covariance / spread, np.nan)
    return found


def confusions(
    truth: Any, prediction: Any, labels: Sequence[str], groups: Codes, count: int
) -> Values:
    """Return (groups, C, C + 1): how often each class is predicted as each; last, as none.

    Raises:
        SerbenchError: a truth is no label.
    """
    from pandas import Index

    classes = len(labels)
    # as objects: to infer another type takes longer than all the rest
    objects = (np.asarray(each, object) for each in (labels, truth, prediction))
    known, *sides = (Index(each, dtype="object") for each in objects)
    t, p = (known.get_indexer(side) for side in sides)
    if (t < 0).any():
        raise unknown("label", str(np.asarray(truth)[t < 0][0]), labels)
    cells = (groups * classes + t) * (classes + 1) + np.where(p < 0, classes, p)
    counted = np.bincount(cells, minlength=count * classes * (classes + 1))
    return counted.reshape(count, classes, classes + 1).astype(np.float64)


def wa(sums: Values) -> Values:
    """Return WA (see `metrics.weighted_accuracy`) of (..., C, C + 1) confusions."""
    return _share(np.trace(sums, axis1=-2, axis2=-1), sums.sum((-2, -1)))


def ua(sums: Values) -> Values:
    """Return UA (see `metrics.unweighted_accuracy`) of (..., C, C + 1) confusions."""
    return _over_classes(2 * _right(sums), 2 * sums.sum(-1), sums)


def macro_f1(sums: Values) -> Values:
    """Return macro F1 (see `metrics.macro_f1`) of (..., C, C + 1) confusions."""
    return _over_classes(2 * _right(sums), sums.sum(-1) + sums.sum(-2)[..., :-1], sums)


def shares_there(
    truth: Any, prediction: Any, labels: Sequence[str], groups: Codes, count: int
) -> Values:
    """Return (groups, C, 3): how often a label is there in the truth, the prediction, and both."""
    least = 1 / len(labels)
    sides = [np.asarray(side, np.float64) for side in (truth, prediction)]
    t, p = (side > least for side in sides)
    cells = np.stack([t, p, t & p], axis=-1).astype(np.float64)
    cells[~np.isfinite(sides).all(axis=(0, 2))] = np.nan  # what is no number reaches all sums
    return _summed(cells, groups, count)


def shares_macro_f1(sums: Values) -> Values:
    """Return macro F1 (see `metrics.shares_macro_f1`) of (..., C, 3) counts."""
    said, given, both = np.moveaxis(sums, -1, 0)
    present = said > 0
    f1 = np.where(present, 2 * both / np.where(present, said + given, 1), 0.0)
    whole = 0 * sums.sum((-2, -1))  # NaN where a share is no number
    return _share(f1.sum(-1) + whole, present.sum(-1).astype(np.float64))


def divergences(truth: Any, prediction: Any, _: Sequence[str], groups: Codes, count: int) -> Values:
    """Return (groups, 2): how many, and the sum of their Jensen-Shannon divergences."""
    each = divergence_of_each(truth, prediction)
    return _summed(np.stack([np.ones_like(each), each], axis=-1), groups, count)


def mean_divergence(sums: Values) -> Values:
    """Return the mean divergence (see `metrics.jensen_shannon`) of (..., 2) sums."""
    return _share(sums[..., 1], sums[..., 0])


def _summed(cells: Values, groups: Codes, count: int) -> Values:
    """Return (groups, ...) the sums of (n, ...) cells."""
    sums = np.zeros((count, *cells.shape[1:]))
    np.add.at(sums, groups, cells)
    return sums


def _right(sums: Values) -> Values:
    return np.diagonal(sums, axis1=-2, axis2=-1)


def _over_classes(part: Values, whole: Values, sums: Values) -> Values:
    """Return the mean share over the classes that are present in the truth."""
    present = sums.sum(-1) > 0
    shares = np.where(present, part / np.where(present, whole, 1), 0.0)
    return _share(shares.sum(-1), present.sum(-1).astype(np.float64))


def _share(part: Values, whole: Values) -> Values:
    found: Values = np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
    return found


ADDITIVE: Mapping[str, Additive] = {
    "ccc": Additive(moments, ccc),
    "wa": Additive(confusions, wa),
    "ua": Additive(confusions, ua),
    "macro_f1": Additive(confusions, macro_f1),
    "shares_macro_f1": Additive(shares_there, shares_macro_f1),
    "shares_jsd": Additive(divergences, mean_divergence),
}
"""Those of `metrics.METRICS` that follow from sums."""
