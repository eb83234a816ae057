"""What a run scores in all and of each speaker, and two runs compared over the same speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from serbench.scoring.comparisons import by_speakers
from serbench.scoring.intervals import Shares, interval, mean_of_speakers, over_folds
from serbench.studies.intervals import Interval, plain

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task


class Measured(NamedTuple):
    """What ranks a run, taken apart by speaker.

    folds: UA or O-CCC, mean of folds.
    people: A-UA or A-CCC, of those speakers who have clips enough.
    """

    folds: Shares
    people: Shares

    @property
    def overall(self) -> float:
        """UA or O-CCC."""
        return self.folds.value

    @property
    def size(self) -> int:
        """Speakers who count."""
        return len(self.people.speakers)

    @property
    def whole(self) -> Interval:
        """The same with its interval."""
        return plain(interval(self.folds))

    @property
    def average(self) -> Interval:
        """A-UA or A-CCC."""
        return plain(interval(self.people))


class Gain(NamedTuple):
    """What one run has over another, on the same speakers."""

    whole: Interval
    average: Interval


def gain(after: Measured, before: Measured) -> Gain:
    """Return what a run has over another, paired by speaker.

    Raises:
        SerbenchError: they are on other speakers.
    """
    return Gain(
        plain(by_speakers(after.folds, before.folds)),
        plain(by_speakers(after.people, before.people)),
    )


def names(task: Task) -> tuple[str, str]:
    """Return how the two scores of a task are called."""
    return ("O-CCC", "A-CCC") if task.correlates else ("UA", "A-UA")


def measured(task: Task, predictions: DataFrame) -> Measured:
    """Return what a run scores.

    Args:
        task: what is predicted.
        predictions: as `serbench.scoring.scores.score` takes them.
    """
    from serbench.scoring.scores import score

    people = mean_of_speakers(score(task, predictions), f"a_{task.main}")
    return Measured(over_folds(task, predictions)[task.rank], people)


def own_scores(task: Task, predictions: DataFrame) -> DataFrame:
    """Return a row a speaker who is averaged, a column a measure: averages over seeds."""
    from serbench.scoring.scores import score

    people = score(task, predictions).averaged(f"a_{task.main}")
    return people.set_index(people["speaker"].astype(str))
