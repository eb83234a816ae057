"""Whether two results are about the same: corpus, task, folds, recordings, truths, seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serbench.leaderboard.comparable import title
from serbench.leaderboard.store import Entry
from serbench.scoring import predictions as tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task
    from serbench.leaderboard.record import Result


def disagreement(one: Entry, other: Entry) -> str | None:
    """Return why the predictions of two results do not go together, with the remedy, or None.

    Args:
        one: a result with its predictions.
        other: another one, its predictions in the same order.
    """
    return _other_setting(one.result, other.result) or other_rows(
        one.result.benchmark.task, one.predictions, other.predictions
    )


def _other_setting(one: Result, other: Result) -> str | None:
    titles = [title(each.benchmark, each.protocol) for each in (one, other)]
    if titles[0] != titles[1]:
        return f"one is on '{titles[0]}', the other on '{titles[1]}'; take results on the same"
    if (one.benchmark, one.protocol) != (other.benchmark, other.protocol):
        outputs = [", ".join(each.benchmark.task.outputs) for each in (one, other)]
        return f"one predicts {outputs[0]}, the other {outputs[1]}; take results on the same task"
    if (one.split.hash, one.split.listed) != (other.split.hash, other.split.listed):
        return "their folds are not the same; run one again on the data of the other"
    sounds = [each.split.audio or each.split.recordings for each in (one, other)]
    # an older record does not say which recording an utterance is
    if bool(one.split.audio) == bool(other.split.audio) and sounds[0] != sounds[1]:
        return "they are on other recordings; run one again on the data of the other"
    if {*one.seeds} != {*other.seeds}:
        seeds = [", ".join(map(str, sorted(each.seeds))) for each in (one, other)]
        return (
            f"one has seeds {seeds[0]}, the other {seeds[1]}, and trainings are paired by seed; "
            "run one again with the seeds of the other"
        )
    return None


def other_rows(task: Task, one: DataFrame, other: DataFrame) -> str | None:
    """Return where two tables of predictions, in one order, are not about the same, or None."""
    for columns, what in ((tables.WHO, "utterances"), (tables.truths(task), "labels")):
        apart = (one[columns] != other[columns]).any(axis=1)
        if apart.any():
            first = one.loc[apart, "utterance"].iloc[0]
            count = int(apart.sum())
            rows = f"{count} row{'s' * (count > 1)}"
            return (
                f"they have other {what} in {rows} ('{first}' is the first); "
                "run one again on the data of the other"
            )
    return None
