"""How unequally a system serves its speakers."""

from __future__ import annotations

import math
from collections.abc import Sequence


def worst_decile(values: Sequence[float]) -> float:
    """Return the mean of the worst tenth of some scores, of one at least; NaN of none.

    Args:
        values: a score for each speaker, more is better.
    """
    import numpy as np

    scores = np.sort(np.asarray(values, np.float64))
    worst = scores[: math.ceil(len(scores) / 10)]
    return float(worst.mean()) if len(worst) else math.nan


def gini(values: Sequence[float]) -> float | None:
    """Return the Gini coefficient: half the mean difference of two scores, as a share of the mean.

    Gini: Variabilità e mutabilità (1912). It is for shares of something that is divided up: in
    [0, 1), 0 where all speakers fare alike, (n - 1) / n where one of n has everything. A CCC can be
    below zero, which nobody can have a share of: the mean may then be near zero or below it, and
    the coefficient anything.

    Args:
        values: a score for each speaker.

    Returns:
        None where it is not defined: a score is below zero or none, or none is above zero.
    """
    import numpy as np

    scores = np.sort(np.asarray(values, np.float64))
    total = scores.sum()
    if not total > 0 or scores[0] < 0:
        return None
    count = len(scores)
    # sum over all pairs of |a - b|, by the place of each among the sorted
    places = 2 * np.arange(1, count + 1) - count - 1
    return float((places * scores).sum() / (count * total))
