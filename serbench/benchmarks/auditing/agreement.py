"""How much those who rated a corpus agree, by the shares of their votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serbench.benchmarks import Task

if TYPE_CHECKING:
    from pandas import DataFrame

RATERS = "raters"
"""The column that says how many listeners the shares of an utterance are of."""


class Agreement(NamedTuple):
    """What raters have in common.

    utterances: with two raters or more, of which the rest is computed.
    fewest, most: raters of one of these.
    pairs: of all pairs of raters of an utterance, the share that says the same; mean of utterances.
    alpha: Krippendorff's, 1 for perfect agreement, 0 for that of chance.
    """

    utterances: int
    fewest: int
    most: int
    pairs: float
    alpha: float


def agreement(table: DataFrame, task: Task) -> Agreement | None:
    """Return how much raters agree; None where nobody says how many they are.

    Args:
        table: with `RATERS`, and shares of the labels.
        task: what is predicted.
    """
    if task.kind != "distribution" or RATERS not in table:
        return None
    shares = table[[*task.columns]].to_numpy(dtype=float)
    votes = np.rint(shares * table[RATERS].to_numpy(dtype=float)[:, None])
    votes = votes[votes.sum(axis=1) >= 2]
    if not len(votes):
        return None
    raters = votes.sum(axis=1)
    same = (votes * (votes - 1)).sum(axis=1) / (raters * (raters - 1))
    pairs, alpha = float(same.mean()), krippendorff_alpha(votes)
    return Agreement(len(votes), int(raters.min()), int(raters.max()), pairs, alpha)


def krippendorff_alpha(votes: NDArray[np.float64]) -> float:
    """Return Krippendorff's alpha for labels without order.

    `1 - (n - 1) sum over units of (m_u^2 - sum_c n_uc^2) / (m_u - 1) / (n^2 - sum_c n_c^2)`, with
    m_u the votes of a unit, of which there must be two or more, n_c those for a label, n all.

    Krippendorff: Computing Krippendorff's Alpha-Reliability. University of Pennsylvania, 2011.

    Args:
        votes: (N, C) how many raters said each label.

    Returns:
        At most 1; NaN where all votes are for one label.

    >>> krippendorff_alpha(np.array([[4.0, 0.0], [0.0, 4.0]]))
    1.0
    """
    votes = votes[votes.sum(axis=1) >= 2]
    each, total = votes.sum(axis=1), votes.sum()
    observed = ((each**2 - (votes**2).sum(axis=1)) / (each - 1)).sum() / total
    expected = (total**2 - (votes.sum(axis=0) ** 2).sum()) / (total * (total - 1))
    return float(1 - observed / expected) if expected > 0 else float("nan")
