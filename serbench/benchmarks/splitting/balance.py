"""Splits groups of utterances into balanced folds, by greedy choice and local search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

# To which costs are compared, so that what is equal stays equal whatever the machine's rounding.
_DECIMALS = 9


def balanced_folds(group: Codes, aspects: Sequence[Codes], k: int) -> Codes:
    """Return the fold of each row, so that groups stay whole and every aspect is spread evenly.

    What counts first is that no fold lacks a value of an aspect altogether (a class, a gender),
    then that each fold has 1/k of each value: the sum of `(share - 1/k)**2` over folds and
    values, divided by the number of values of the aspect. Large groups are placed first, each
    where it does best; then groups are moved and swapped as long as that helps. Nothing is
    drawn, so the same input gives the same folds. The result is a local optimum.

    Args:
        group: (N,) number of each row's group, 0 to G - 1.
        aspects: (N,) each, what to balance: the number of each row's value, 0 or more, or -1
            for a row that does not count. At least one aspect must count every group.
        k: number of folds, at most G.

    Returns:
        (N,) 0 to k - 1, numbered in the order of the groups.
    """
    counts = [_count(group, values) for values in aspects]
    weights = np.concatenate([np.full(c.shape[1], 1 / c.shape[1]) for c in counts])
    search = _Search(np.concatenate(counts, axis=1), weights, k)
    while sum(search.improve(i) for i in range(len(search.fold))):
        pass
    first = np.unique(search.fold, return_index=True)[1]
    folds: Codes = np.argsort(np.argsort(first))[search.fold][group]
    return folds


def _count(group: Codes, values: Codes) -> Codes:
    """Return (G, values) how often each group has each value that occurs."""
    counting = values >= 0
    counts = np.zeros((group.max() + 1, values.max() + 1), dtype=np.int64)
    np.add.at(counts, (group[counting], values[counting]), 1)
    return counts[:, counts.any(axis=0)]


class _Search:
    """An assignment under way: `fold` of each group and the `sums` (k, J) of each fold."""

    def __init__(self, counts: Codes, weights: NDArray[np.float64], k: int) -> None:
        self.totals = counts.sum(axis=0)
        self.weights = weights
        # an empty row for each fold: to swap with it is to move there
        self.counts = np.concatenate([counts, np.zeros((k, counts.shape[1]), dtype=np.int64)])
        self.fold = np.full(len(counts), -1)
        self.sums = np.zeros((k, counts.shape[1]), dtype=np.int64)
        size = (weights * counts / self.totals).sum(axis=1)
        for group in np.argsort(-size.round(_DECIMALS), kind="stable"):
            change = self.cost(self.sums + counts[group]) - self.cost(self.sums)
            self.fold[group] = change.round(_DECIMALS).argmin()
            self.sums[self.fold[group]] += counts[group]

    def cost(self, sums: Codes) -> NDArray[np.float64]:
        """Return what folds with these sums (..., J) cost; one lack outweighs all imbalance."""
        imbalance = self.weights * (sums / self.totals - 1 / len(self.sums)) ** 2
        lacks = (sums == 0).sum(axis=-1) * (self.weights.sum() + 1)
        cost: NDArray[np.float64] = imbalance.sum(axis=-1) + lacks
        return cost

    def improve(self, group: int) -> bool:
        """Swap a group with the one, or move it to the fold, that helps most; say if one does."""
        k = len(self.sums)
        folds = np.concatenate([self.fold, np.arange(k)])
        change = self.counts - self.counts[group]
        here = self.fold[group]
        before = self.cost(self.sums)
        after = self.cost(self.sums[here] + change) + self.cost(self.sums[folds] - change)
        gain = np.where(folds == here, 0.0, before[here] + before[folds] - after).round(_DECIMALS)
        best = gain.argmax()
        if gain[best] <= 0:
            return False
        there = folds[best]
        self.sums[here] += change[best]
        self.sums[there] -= change[best]
        self.fold[group] = there
        if best < len(self.fold):
            self.fold[best] = here
        return True
