"""Whether a table of predictions is the one that a record speaks of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from serbench.leaderboard.record import Classification, Regression, Result

if TYPE_CHECKING:
    from pandas import DataFrame

KEY = ["utterance", "fold", "seed"]


def fault(result: Result, predictions: DataFrame) -> str | None:
    """Return the first reason why `predictions` cannot be those of `result`, or None.

    They have one row an utterance x fold x seed with `utterance`, `speaker`, `fold`, `seed`, and
    `truth`, `prediction`, `score:LABEL` for each label, or `truth:DIMENSION` and
    `prediction:DIMENSION` for each dimension; each fold and seed that is there is whole, and if
    the record is complete, all are there. Only what a head gives may be NaN.
    """
    task = result.benchmark.task
    words = ["utterance", "speaker", "fold", *_words(task)]
    numbers = ["seed", *_numbers(task)]
    return (
        _wrong_columns(predictions, words, numbers)
        or _gaps(predictions, [*words, "seed", *(n for n in numbers if n.startswith("truth:"))])
        or _foreign_labels(predictions, task)
        or _repeated(predictions)
        or _wrong_cells(result, predictions)
    )


def _words(task: Classification | Regression) -> list[str]:
    return ["truth", "prediction"] if isinstance(task, Classification) else []


def _numbers(task: Classification | Regression) -> list[str]:
    if isinstance(task, Classification):
        return [f"score:{label}" for label in task.labels]
    return [f"{side}:{name}" for name in task.dimensions for side in ("truth", "prediction")]


def _wrong_columns(predictions: DataFrame, words: list[str], numbers: list[str]) -> str | None:
    from pandas.api.types import is_integer_dtype, is_numeric_dtype

    expected, found = {*words, *numbers}, {*predictions.columns}
    if missing := sorted(expected - found):
        return f"the predictions have no column '{missing[0]}'"
    if extra := sorted(found - expected):
        return f"the predictions have a column '{extra[0]}' that the task does not"
    for name in words:
        if is_numeric_dtype(predictions[name]):
            return f"column '{name}' of the predictions must hold text"
    for name in numbers:
        if not is_numeric_dtype(predictions[name]):
            return f"column '{name}' of the predictions must hold numbers"
    if not is_integer_dtype(predictions["seed"]):
        return "column 'seed' of the predictions must hold whole numbers"
    return None


def _gaps(predictions: DataFrame, filled: list[str]) -> str | None:
    if predictions.empty:
        return "the predictions have no rows"
    for name in filled:
        if predictions[name].isna().any():
            return f"column '{name}' of the predictions has empty entries"
    return None


def _foreign_labels(predictions: DataFrame, task: Classification | Regression) -> str | None:
    if isinstance(task, Regression):
        return None
    for column in _words(task):
        if foreign := sorted({*predictions[column]}.difference(task.labels)):
            return f"column '{column}' of the predictions has '{foreign[0]}', no label of the task"
    return None


def _repeated(predictions: DataFrame) -> str | None:
    again = predictions.duplicated(KEY)
    if not again.any():
        return None
    utterance, fold, seed = predictions.loc[again, KEY].iloc[0]
    return f"utterance '{utterance}' is predicted twice in fold '{fold}' with seed {seed}"


def _wrong_cells(result: Result, predictions: DataFrame) -> str | None:
    sizes = {fold.name: fold.test for fold in result.split.folds}
    found = Counter(zip(predictions["fold"], predictions["seed"], strict=True))
    for (fold, seed), count in found.items():
        if fold not in sizes or seed not in result.seeds:
            return f"fold '{fold}' with seed {seed} is predicted, but is not in the record"
        if count != sizes[fold]:
            return (
                f"fold '{fold}' with seed {seed} has {count} predictions; "
                f"its test part has {sizes[fold]} utterances"
            )
    whole = len(found) == len(sizes) * len(result.seeds)
    if whole != result.complete:
        return (
            f"the record says complete: {str(result.complete).lower()}, but {len(found)} of "
            f"{len(sizes) * len(result.seeds)} folds x seeds are predicted"
        )
    return None
