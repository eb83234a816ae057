"""What a board needs of a result: its record, and what its predictions come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serbench.digests import digest_rows, rows_of
from serbench.leaderboard import notes
from serbench.leaderboard.record import Result

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Task
    from serbench.scoring.intervals import Shares
    from serbench.scoring.scores import Scores


@dataclass(frozen=True)
class Measured:
    """What the predictions of a result come to.

    Attributes:
        scores: all of them.
        shares: each figure of the task taken apart by speaker, where that can be done.
        about: what distinguishes the result from a sound and complete one.
        mismatch: how the scores of the record are not those of the predictions, or None.
        facts: digest of who speaks each utterance and what is true of it.
        predicted: digest of what is predicted; equal for copies of a result.
        picture: what can be drawn of them (`scoring.pictures`).
    """

    scores: Scores
    shares: Mapping[str, Shares]
    about: tuple[str, ...]
    mismatch: str | None
    facts: str
    predicted: str
    picture: Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """A result with what its predictions come to; the predictions themselves are read if needed."""

    result: Result
    measured: Measured = field(compare=False)
    load: Callable[[], DataFrame] = field(compare=False)

    @property
    def ranked(self) -> bool:
        """Whether it may have a rank: it is whole, agrees with itself, and saw no test labels."""
        sound = self.result.complete and self.measured.mismatch is None
        return sound and not self.result.saw_truths

    def facts(self) -> DataFrame:
        """Return the speaker and the truths of each utterance, by its id."""
        return facts(self.result.benchmark.task, self.load())


def standing(result: Result, predictions: DataFrame) -> Standing:
    """Return a result with what its predictions come to."""
    return Standing(result, measure(result, predictions), lambda: predictions)


def measure(result: Result, predictions: DataFrame) -> Measured:
    """Return what the predictions of a result come to."""
    # pandas is not imported to show what is stored
    from serbench.scoring.intervals import taken_apart
    from serbench.scoring.pictures import picture
    from serbench.scoring.predictions import TEST, digest_predicted, first_test
    from serbench.scoring.scores import score

    task = result.benchmark.task
    scores = score(task, predictions)
    rows = first_test(predictions)
    shares = dict(taken_apart(task, rows, scores)) if result.complete else {}
    for test, own in scores.tests.items() if result.complete else ():
        rows = predictions[predictions[TEST] == test].drop(columns=TEST)
        shares |= {f"{test}/{key}": each for key, each in taken_apart(task, rows, own).items()}
    about = notes.about_predictions(result, predictions) + notes.about_record(result, scores)
    if unlike := notes.mismatch(result, scores):
        about.append(unlike)
    digests = _digest(task, predictions), digest_predicted(task, predictions)
    return Measured(scores, shares, tuple(about), unlike, *digests, picture(task, predictions))


def facts(task: Task, predictions: DataFrame) -> DataFrame:
    """Return the speaker and the truths of each utterance, by its id."""
    known = predictions.drop_duplicates("utterance").set_index("utterance")
    return known[[*_about(task)]]


def _about(task: Task) -> list[str]:
    return ["speaker", *task.truths]


def _digest(task: Task, predictions: DataFrame) -> str:
    """Return the digest of the facts."""
    from serbench.scoring.numbering import numbered

    first = numbered(predictions, ["utterance"]).first
    columns = (predictions[name].to_numpy()[first] for name in ("utterance", *_about(task)))
    return digest_rows(rows_of(*(own.tolist() for own in columns)))
