"""What a run scores in all and of each speaker, and two runs compared over the same speakers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from serbench.studies.intervals import Interval, jackknife, mean

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from serbench.benchmarks import Task


class Measured(NamedTuple):
    """A measure of a run, speaker by speaker.

    overall: mean over folds and seeds, as what ranks: UA, or the O-CCC.
    without: the same without the clips of a speaker, by speaker.
    own: each speaker's own UA or CCC, averaged over seeds; those with too few clips are left out.
    """

    overall: float
    without: Series[float]
    own: Series[float]

    @property
    def whole(self) -> Interval:
        """The mean over folds."""
        return jackknife(self.overall, self.without.to_numpy())

    @property
    def average(self) -> Interval:
        """The mean over speakers: A-UA or A-CCC."""
        return mean(self.own.to_numpy())


class Gain(NamedTuple):
    """What one run has over another, on the same speakers."""

    whole: Interval
    average: Interval


def gain(after: Measured, before: Measured) -> Gain:
    """Return what a run has over another, paired by speaker."""
    apart = (after.without - before.without).to_numpy()
    return Gain(
        jackknife(after.overall - before.overall, apart),
        mean((after.own - before.own).to_numpy()),
    )


def names(task: Task) -> tuple[str, str]:
    """Return how the two scores of a task are called."""
    return ("O-CCC", "A-CCC") if task.correlates else ("UA", "A-UA")


def measured(task: Task, predictions: DataFrame) -> dict[str, Measured]:
    """Return what a run scores, and without each speaker, by measure; `task.main` is what ranks.

    Args:
        task: what is predicted.
        predictions: as `serbench.scoring.scores.score` takes them.
    """
    import pandas as pd

    cells = [_Cell.of(task, rows) for _, rows in predictions.groupby(["fold", "seed"])]
    speakers = sorted(predictions["speaker"].unique())
    overall = _average(cell.scores for cell in cells)
    left = [_average(cell.left(name) for cell in cells) for name in speakers]
    without, own = pd.DataFrame(left, index=speakers), own_scores(task, predictions)
    return {name: Measured(value, without[name], own[name]) for name, value in overall.items()}


class _Cell(NamedTuple):
    """The test part of a fold with one seed.

    scores: of all its speakers.
    others: of all but one, by this one; none where nobody is left.
    """

    scores: Mapping[str, float]
    others: Mapping[str, Mapping[str, float] | None]

    @classmethod
    def of(cls, task: Task, rows: DataFrame) -> _Cell:
        from serbench.scoring.scores import measure

        speaker = rows["speaker"].to_numpy()
        rows = rows[[*dict.fromkeys(column for each in task.measures for column in each[2:])]]
        parts = {name: rows[speaker != name] for name in set(speaker)}
        others = {name: measure(task, part) if len(part) else None for name, part in parts.items()}
        return cls(measure(task, rows), others)

    def left(self, speaker: str) -> Mapping[str, float] | None:
        return self.others.get(speaker, self.scores)


def _average(scores: Iterable[Mapping[str, float] | None]) -> dict[str, float]:
    """Return the means of measures over the folds and seeds in which somebody is left."""
    there = [each for each in scores if each is not None]
    return {name: sum(each[name] for each in there) / len(there) for name in there[0]}


def own_scores(task: Task, predictions: DataFrame) -> DataFrame:
    """Return a row a speaker with clips enough, a column a measure: averages over seeds."""
    import pandas as pd

    from serbench.scoring.scores import measure

    needed = task.min_utterances if task.correlates else 1
    found = {
        str(name): _average(measure(task, each) for _, each in rows.groupby("seed"))
        for name, rows in predictions.groupby("speaker")
        if rows["utterance"].nunique() >= needed
    }
    return pd.DataFrame.from_dict(found, orient="index")
