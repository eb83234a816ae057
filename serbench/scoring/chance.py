"""Whether a score is chance by construction: what the predictions tell apart at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from serbench.scoring.metrics import concordance_cc

if TYPE_CHECKING:
    from pandas import DataFrame, Series

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
    if predictions[numbers].isna().any(axis=None):
        return False
    trials = predictions.groupby(["fold", "seed"], sort=False)
    return all(_guesses(task, rows, rows[numbers].round(_DIGITS)) for _, rows in trials)


def _guesses(task: Task, rows: DataFrame, outputs: DataFrame) -> bool:
    group = outputs.groupby([*outputs.columns], sort=False).ngroup()
    if task.words:
        counts = rows.groupby([group, rows["truth"]]).size().unstack(fill_value=0)
        # the UA of the best label for each group, over that of a guess, 1 / classes
        return float((counts / counts.sum()).max(axis=1).sum()) <= _SHARE
    return all(_best_ccc(rows[name], group) <= _CCC for name in task.truths)


def _best_ccc(truth: Series[float], group: Series[int]) -> float:
    """Return the CCC of the mean of each group with the truth; 0 where it is undefined."""
    return float(np.nan_to_num(concordance_cc(truth, truth.groupby(group).transform("mean"))))
