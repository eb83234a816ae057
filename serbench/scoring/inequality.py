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


def gini(values: Sequence[float]) -> float:
    """Return the Gini coefficient: half the mean difference of two scores, as a share of the mean.

    0 where all speakers fare alike; (n - 1) / n where one of n has everything. With scores below
    zero, as a CCC can be, it may exceed 1; NaN where the mean is not above zero.

    Args:
        values: a score for each speaker.
    """
    import numpy as np

    scores = np.sort(np.asarray(values, np.float64))
    total = scores.sum()
    if not total > 0:
        return math.nan
    count = len(scores)
    # sum over all pairs of |a - b|, by the place of each among the sorted
    places = 2 * np.arange(1, count + 1) - count - 1
    return float((places * scores).sum() / (count * total))
