"""Metrics of many groups of predictions at once, each as `metrics` has it for one alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serbench.scoring.sums import ADDITIVE, Codes, Values


def of_groups(
    metrics: Sequence[str], truth: Any, prediction: Any, labels: Sequence[str], groups: Codes
) -> list[Values]:
    """Return (G,) the values of each metric, one a group.

    Args:
        metrics: keys of `serbench.scoring.metrics.METRICS`.
        truth: (n,) labels or values, or (n, C) shares.
        prediction: likewise.
        labels: of the task.
        groups: (n,) from 0 to G - 1, each of them there.

    Raises:
        SerbenchError: a truth is no label of the task.
    """
    count = int(groups.max(initial=-1)) + 1
    known: dict[Any, Values] = {}  # UA, WA and macro F1 follow from the same sums
    found = []
    for metric in metrics:
        if metric == "ccc":
            found.append(_concordances(truth, prediction, groups))
            continue
        of, value = ADDITIVE[metric]
        if of not in known:
            known[of] = of(truth, prediction, labels, groups, count)
        found.append(value(known[of]))
    return found


def _concordances(truth: Any, prediction: Any, groups: Codes) -> Values:
    """Return the CCC of each group, in the two passes of `metrics.concordance_cc`.

    Moments about a common middle would not see that a side is constant.
    """
    t, p = (np.asarray(side, np.float64) for side in (truth, prediction))
    _, first, size = np.unique(groups, return_index=True, return_counts=True)

    def sums(values: Values) -> Values:
        return np.bincount(groups, values).astype(np.float64)

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        a, b = t - t[first][groups], p - p[first][groups]
        middles = sums(a) / size, sums(b) / size
        distance = (t - p)[first] + (middles[0] - middles[1])
        a, b = a - middles[0][groups], b - middles[1][groups]
        denominator = sums(a * a) + sums(b * b) + size * distance**2
        found: Values = np.where(
            (size > 1) & (denominator != 0), 2 * sums(a * b) / denominator, np.nan
        )
    return found
