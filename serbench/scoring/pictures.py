"""What a reader sees of predictions: a matrix of classes, or points of truth and prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pandas import factorize

from serbench.scoring.predictions import first_test, truths
from serbench.scoring.sums import Codes, Values, confusions

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task

POINTS = 120  # of utterances that are drawn


def picture(task: Task, predictions: DataFrame) -> dict[str, Any]:
    """Return what can be drawn of predictions, as plain JSON values.

    Args:
        task: what is predicted.
        predictions: of all folds and seeds; of several tests, the first is drawn.

    Returns:
        Of labels, `confusion`: (C, C + 1) how often each class is predicted as each, the last time
        as none, summed over seeds. Of numbers, `points`: for each output the truths and the
        predictions, averaged over seeds, of at most 120 utterances, evenly spaced by their ids.
    """
    rows = first_test(predictions)
    if task.words:
        groups = np.zeros(len(rows), np.intp)
        counted = confusions(rows["truth"], rows["prediction"], task.classes, groups, 1)
        return {"confusion": counted[0].astype(int).tolist()}
    true = truths(task)
    given = [name for name in task.numbers if name not in true]
    groups, names = factorize(rows["utterance"].to_numpy(dtype=object), sort=True)
    which = np.unique(np.linspace(0, len(names) - 1, POINTS).astype(int))
    here = np.isin(groups, which)
    own = groups[here]
    return {
        "points": {
            name: [_means(rows[column].to_numpy(dtype=float)[here], own, which) for column in pair]
            for name, *pair in zip(task.outputs, true, given, strict=True)
        }
    }


def _means(values: Values, groups: Codes, which: Codes) -> list[float | None]:
    """Return the mean of what is known of each group that is asked for; None: nothing is."""
    known = ~np.isnan(values)
    count = np.bincount(groups[known], minlength=which[-1] + 1)[which]
    sums = np.bincount(groups[known], values[known], minlength=which[-1] + 1)[which]
    means = (sums / np.maximum(count, 1)).round(3).tolist()
    return [mean if n else None for mean, n in zip(means, count, strict=True)]
