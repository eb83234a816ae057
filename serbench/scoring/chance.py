"""Whether a score is chance by construction: what the predictions tell apart at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pandas import factorize

from serbench.scoring.metrics import concordance_cc
from serbench.scoring.numbering import alike, trials
from serbench.scoring.sums import Codes, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Task

_DIGITS = 4  # of outputs, beyond which two are the same
_SHARE = 1.2  # of the UA of a guess, that what is told apart must allow
_CCC = 0.2  # that it must allow


def can_only_guess(task: Task, predictions: DataFrame) -> bool:
    """Return whether nothing that the predictions tell apart has to do with the truth.

    A system gives utterances that look the same to it the same outputs: all of them if the
    features have the same mean, those of one sentence if it reads texts alone. The best that any
    reading of such groups could score, knowing the truths, is then hardly above a guess: to say of
    each group its most telling label, or its mean.

    Args:
        task: what is predicted.
        predictions: of a run, as `serbench.scoring.predictions` describes them.

    Returns:
        True if that holds in every fold with every seed.
    """
    numbers = [name for name in task.numbers if not name.startswith("truth:")]
    given = predictions[numbers].to_numpy(dtype=float)
    if np.isnan(given).any():
        return False
    given = given.round(_DIGITS)
    true = [predictions[name].to_numpy() for name in task.truths]
    return all(
        _guesses(task, [column[rows] for column in true], given[rows])
        for _, rows in trials(predictions)
    )


def _guesses(task: Task, true: list[NDArray[Any]], given: Values) -> bool:
    groups = alike(given.T)
    if task.words:
        truth, labels = factorize(true[0])
        counts = np.bincount(
            groups * len(labels) + truth, minlength=len(labels) * (groups.max() + 1)
        )
        shares = counts.reshape(-1, len(labels)) / np.bincount(truth)
        # the UA of the best label for each group, over that of a guess, 1 / classes
        return float(shares.max(axis=1).sum()) <= _SHARE
    return all(_best_ccc(column.astype(float), groups) <= _CCC for column in true)


def _best_ccc(truth: Values, groups: Codes) -> float:
    """Return the CCC of the mean of each group with the truth; 0 where it is undefined."""
    means = np.bincount(groups, truth) / np.bincount(groups)
    return float(np.nan_to_num(concordance_cc(truth, means[groups])))
