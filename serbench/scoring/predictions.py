"""The table of predictions: its columns, how a trial fills it, and when it cannot be trusted.

One row an utterance x fold x seed: `utterance`, `speaker`, `fold`, `seed`, for folds with several
tests the `test`, and what the task has of truths and predictions (`Task.words`, `Task.numbers`):
`truth`, `prediction` and `score:LABEL` for classes, `truth:DIMENSION` and `prediction:DIMENSION`
for dimensions, `truth:LABEL` and `score:LABEL` for shares of labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from serbench.digests import digest_json, digest_rows, rows_of
from serbench.errors import hidden
from serbench.scoring.numbering import numbered, trials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from serbench.benchmarks import Fold, Task

    Values = NDArray[np.float64]

KEY = ["utterance", "fold", "seed"]
"""Columns whose values no two rows share."""

WHO = ["utterance", "speaker", "fold", "seed"]
"""Columns that say what a row is about."""

TEST = "test"
"""Column that says which of several tests a row is of; there where a fold has several."""

_MOST = 1e30
"""What no number of a head exceeds, so that its square is a number, too."""


def tabulate(
    table: DataFrame,
    fold: Fold,
    seed: int,
    task: Task,
    scores: NDArray[np.float64],
    part: Literal["train", "valid", "test", "enrol"] = "test",
) -> DataFrame:
    """Return the predictions of one trial for a part of its fold.

    Args:
        table: the utterances.
        fold: whose part it is.
        seed: of the training.
        task: what is predicted.
        scores: (n, C) in the order of the part.
        part: which.
    """
    rows = table.iloc[getattr(fold, part)].reset_index(drop=True)
    frame = rows[["utterance", "speaker"]].assign(fold=fold.name, seed=seed)
    if part == "test" and fold.tests:
        frame[TEST] = [name for name, own in fold.tests.items() for _ in own]
    made: DataFrame = frame.assign(**task.predicted(rows, scores))
    return made


def foretell(
    table: DataFrame, fold: Fold, seed: int, task: Task, scores: NDArray[np.float64] | None
) -> DataFrame:
    """Return what one trial predicts for what has no truth: `tabulate` without truths.

    Args:
        table: the utterances.
        fold: with the rows.
        seed: of the training.
        task: what is predicted.
        scores: (n, C) in the order of the rows; None if there are none.
    """
    rows = table.iloc[fold.unlabelled].reset_index(drop=True)
    frame = rows[["utterance", "speaker"]].assign(fold=fold.name, seed=seed)
    if scores is None:
        return frame
    made = task.predicted(rows, scores)
    told: DataFrame = frame.assign(**{n: v for n, v in made.items() if n not in truths(task)})
    return told


def truths(task: Task) -> list[str]:
    """Return the columns that hold what is true of an utterance, in the order of `columns`."""
    return [*task.truths]


def values(task: Task, predictions: DataFrame) -> Values:
    """Return (n, C) what a system gave: probabilities of the classes, or values of dimensions."""
    given = [name for name in task.numbers if name not in truths(task)]
    return predictions[given].to_numpy(dtype=float)


def with_values(task: Task, predictions: DataFrame, given: Values) -> DataFrame:
    """Return the predictions that another system makes of the same utterances.

    Args:
        task: what is predicted.
        predictions: of any system.
        given: (n, C) what the other one gave.
    """
    rows = predictions.rename(columns=dict(zip(truths(task), task.columns, strict=True)))
    about = [*WHO, TEST] if TEST in predictions else WHO
    return predictions[about].assign(**task.predicted(rows, given))


def side_of(predictions: DataFrame, names: str | tuple[str, ...]) -> Series[Any] | DataFrame:
    """Return what a measure compares: one column, or several side by side."""
    return predictions[names] if isinstance(names, str) else predictions[[*names]]


def problem(task: Task, predictions: DataFrame) -> str | None:
    """Return the first reason why a table cannot hold predictions of a task, or None.

    All columns are there and no others; only what a head gives may be NaN, and of classes then all.
    """
    true = truths(task)
    return (
        wrong_columns(task, predictions)
        or gap(predictions, [*WHO, *task.words, *true])
        or _unseen(predictions)
        or _foreign_labels(predictions, task)
        or _out_of_range(predictions, task, true)
        or _two_truths(predictions, ["speaker", *true])
        or _improbable(predictions, task)
    )


def gap(predictions: DataFrame, filled: Iterable[str]) -> str | None:
    """Return the first cell that must be filled and is not, or the first row that is one too many.

    Args:
        predictions: with the columns `WHO`.
        filled: the columns that must have a value in every row.
    """
    from pandas import isna

    if predictions.empty:
        return "the predictions have no rows"
    for name in filled:
        if isna(predictions[name].to_numpy()).any():
            return f"column '{name}' of the predictions has empty entries"
    if len(numbered(predictions, KEY).first) == len(predictions):
        return None
    again = predictions.duplicated(KEY)
    utterance, fold, seed = predictions.loc[again, KEY].iloc[0]
    return f"utterance '{utterance}' is predicted twice in fold '{fold}' with seed {seed}"


def lack(
    predictions: DataFrame, sizes: Mapping[str, int], seeds: Collection[int], *, complete: bool
) -> str | None:
    """Return the first reason why predictions are not those of all trials, or None.

    Args:
        predictions: without a `problem`.
        sizes: utterances in the part of each fold that they are for, by its name.
        seeds: of the trainings of each fold.
        complete: whether every fold with every seed is promised; if not, some must be missing.
    """
    found = Counter(zip(predictions["fold"], predictions["seed"], strict=True))
    planned_seeds = set(seeds)
    for (fold, seed), count in found.items():
        if fold not in sizes or seed not in planned_seeds:
            return f"fold '{fold}' with seed {seed} is predicted, but is not in the record"
        if count != sizes[fold]:
            return (
                f"fold '{fold}' with seed {seed} has {count} predictions; "
                f"the part they are for has {sizes[fold]} utterances"
            )
    planned = len(sizes) * len(seeds)
    if (len(found) == planned) != complete:
        return (
            f"the record says complete: {str(complete).lower()}, but {len(found)} of {planned} "
            "folds x seeds are predicted"
        )
    return None


def untrue(task: Task, predictions: DataFrame, hashes: Mapping[str, str]) -> str | None:
    """Return in which fold predictions are not for what the corpus said, or None.

    Args:
        task: what is predicted.
        predictions: without a `problem`.
        hashes: of the utterances, speakers and truths of each fold, by its name; empty if unknown.
    """
    if not any(hashes.values()):
        return None
    # the same is true of an utterance in all its rows
    who, first = numbered(predictions, ["utterance"])
    columns = ["utterance", "speaker", *truths(task)]
    lines = rows_of(*(predictions[name].to_numpy()[first].tolist() for name in columns))
    for (fold, seed), rows in trials(predictions):
        told = hashes.get(str(fold), "")
        if told and digest_rows(lines[own] for own in who[rows]) != told:
            return (
                f"the utterances, speakers or truths of fold '{fold}' with seed {seed} are not "
                "those that the record has the hash of: one of the two was changed"
            )
    return None


def digest_predicted(task: Task, predictions: DataFrame) -> str:
    """Return the SHA-256 (64 hex) of what was predicted, of all that is scored.

    Neither the order of rows nor the numbers of seeds count: to train again with another seed what
    has no chance in it, or to call a seed otherwise, predicts nothing new.

    Args:
        task: what is predicted.
        predictions: without a `problem`.
    """
    scored = dict.fromkeys(name for each in task.measures for name in each.predictions)
    columns = ("utterance", *scored)
    lines = rows_of(*(predictions[name].tolist() for name in columns))
    parts = (
        [str(fold), digest_rows(lines[row] for row in rows)]
        for (fold, _), rows in trials(predictions)
    )
    return digest_json(sorted(parts))


def other_tests(predictions: DataFrame, promised: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return the first reason why rows are not of the tests that a record names, or None.

    Args:
        predictions: without a `problem`.
        promised: the name of each fold to its tests and their utterances; nothing where there is
            but one.
    """
    several = any(promised.values())
    if (TEST in predictions) != several:
        return f"the predictions have {'no' if several else 'a'} column '{TEST}'"
    if not several:
        return None
    for (fold, seed), rows in trials(predictions):
        found = predictions[TEST].iloc[rows].value_counts().to_dict()
        if found != dict(promised[str(fold)]):
            return f"fold '{fold}' with seed {seed} has other tests than the record: {found}"
    return None


def first_test(predictions: DataFrame) -> DataFrame:
    """Return the predictions that rank: all, or of several tests those for the first."""
    if TEST not in predictions:
        return predictions
    first = predictions[TEST].iloc[0]
    rows: DataFrame = predictions[predictions[TEST] == first].drop(columns=TEST)
    return rows


def as_folds(predictions: DataFrame) -> DataFrame:
    """Return predictions in which each of several tests stands as a fold of its own."""
    if TEST not in predictions:
        return predictions
    return predictions.assign(fold=predictions[TEST]).drop(columns=TEST)


def wrong_columns(task: Task, predictions: DataFrame) -> str | None:
    """Return which column is missing, one too many, or of another type than a task's, or None.

    Args:
        task: what is predicted.
        predictions: with or without rows.
    """
    from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

    several = [TEST] if TEST in predictions else []
    words, numbers = [*WHO[:3], *task.words, *several], ["seed", *task.numbers]
    expected, found = {*words, *numbers}, {*predictions.columns}
    if missing := sorted(expected - found):
        return f"the predictions have no column '{missing[0]}'"
    if extra := sorted(map(str, found - expected)):
        return f"the predictions have a column '{extra[0]}' that the task does not"
    for name in words:
        if not _holds_text(predictions[name]):
            return f"column '{name}' of the predictions must hold text"
    for name in numbers:
        kind = predictions[name].dtype
        if not is_numeric_dtype(kind) or is_bool_dtype(kind):
            return f"column '{name}' of the predictions must hold numbers"
    if not is_integer_dtype(predictions["seed"]):
        return "column 'seed' of the predictions must hold whole numbers"
    return None


def _holds_text(column: Series[Any]) -> bool:
    from pandas.api.types import infer_dtype

    return infer_dtype(column, skipna=True) in ("string", "empty")


def _unseen(predictions: DataFrame) -> str | None:
    """Return which name holds a character that may command a terminal."""
    for column in WHO[:3]:
        for name in predictions[column].unique():
            if found := hidden(name):
                return f"column '{column}' of the predictions has the character {found} in '{name}'"
    return None


def _foreign_labels(predictions: DataFrame, task: Task) -> str | None:
    for column in task.words:
        if foreign := sorted({*predictions[column]}.difference(task.classes)):
            return f"column '{column}' of the predictions has '{foreign[0]}', no label of the task"
    return None


def _out_of_range(predictions: DataFrame, task: Task, truths: list[str]) -> str | None:
    """Return which number cannot be one: a truth off its scale, or what cannot be squared."""
    import numpy as np

    for column in task.numbers:
        numbers = predictions[column].to_numpy(dtype=float)
        wrong = np.abs(numbers) > _MOST
        if column in truths and task.ends is not None:
            low, high = task.ends
            wrong = ~((low <= numbers) & (numbers <= high))
        if wrong.any():
            first = predictions[column].iloc[wrong.argmax()]
            return f"column '{column}' of the predictions has {first}, out of range"
    return None


def _two_truths(predictions: DataFrame, columns: list[str]) -> str | None:
    """Return which utterance has another truth or speaker in one row than in another."""
    who, first = numbered(predictions, ["utterance"])
    for column in columns:
        values = predictions[column].to_numpy()
        different = values != values[first][who]
        if different.any():
            utterance = predictions["utterance"].iloc[first[who[different].min()]]
            return f"utterance '{utterance}' has two values of '{column}'"
    return None


def _improbable(predictions: DataFrame, task: Task) -> str | None:
    """Return which label is not the most probable one (of equals, the first), by its own scores."""
    import numpy as np

    if "prediction" not in task.words:
        return None
    given = values(task, predictions)
    lost = np.isnan(given)
    if (wrong := lost.any(axis=1) & ~lost.all(axis=1)).any():
        utterance = predictions["utterance"].iloc[wrong.argmax()]
        return f"utterance '{utterance}' has scores of some labels, and NaN of others"
    label = np.array(task.classes, dtype=object)[given.argmax(axis=1)]
    if (wrong := predictions["prediction"].to_numpy() != label).any():
        row = int(wrong.argmax())
        utterance, said = predictions[["utterance", "prediction"]].iloc[row]
        return f"utterance '{utterance}' is predicted '{said}', but its scores say '{label[row]}'"
    return None
