"""Ranking: a board for each group of results that may be compared, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from serbench.leaderboard import notes
from serbench.leaderboard.comparable import Group, groups
from serbench.leaderboard.differing import Recommend, differing, machines_apart
from serbench.leaderboard.record import BenchmarkRecord, ProtocolRecord, Result

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Figure
    from serbench.scoring.scores import Scores


class Spread(NamedTuple):
    """A mean and standard deviations (ddof 0); None for that of one value alone.

    Attributes:
        mean: over folds, or over speakers.
        std: of what it averages.
        seeds: of the mean, over the seeds of the training.
    """

    mean: float
    std: float | None
    seeds: float | None = None


@dataclass(frozen=True)
class Row:
    """A result on a board.

    Attributes:
        rank: 1 is best, equal scores have equal ranks; None for an incomplete result, and for one
            whose record has other scores.
        result: the record.
        values: the key of each column of the board to its value.
        seeds: how many are averaged.
        differs: its settings that are not as recommended, or not those of rows with the same
            labels, "hidden=256"; else empty.
        notes: numbers of the board's notes that concern it.
    """

    rank: int | None
    result: Result
    values: Mapping[str, Spread]
    seeds: int
    differs: str
    notes: tuple[int, ...]

    @property
    def place(self) -> str:
        """The rank as text, "-" if there is none."""
        return "-" if self.rank is None else str(self.rank)


@dataclass(frozen=True)
class Board:
    """Comparable results, best first.

    Attributes:
        title: benchmark, task, protocol and what sets it apart from other boards, in one line.
        benchmark: what all rows were run on.
        protocol: how it was split.
        split: hash of the folds.
        columns: the metrics; the first ranks.
        rows: the results.
        caption: sentences that hold for all rows, first what the numbers are.
        notes: sentences about single rows; note 1 is the first.
    """

    title: str
    benchmark: BenchmarkRecord
    protocol: ProtocolRecord
    split: str
    columns: tuple[Figure, ...]
    rows: tuple[Row, ...]
    caption: tuple[str, ...]
    notes: tuple[str, ...]


class _Scored(NamedTuple):
    result: Result
    scores: Scores
    about: list[str]

    @property
    def ranked(self) -> bool:
        seen = self.result.corrected is not None and self.result.corrected.oracle
        whole = self.result.complete and not seen
        return whole and notes.mismatch(self.result, self.scores) is None


def rank(
    results: Iterable[tuple[Result, DataFrame]], recommend: Recommend | None = None
) -> list[Board]:
    """Return the boards that results make, ordered by benchmark and protocol.

    Args:
        results: records with their predictions, in any order. Scores are computed from these;
            those stored in the records only have to agree.
        recommend: what tells the recommended settings, so that rows show others.
    """
    return [_board(group, recommend) for group in groups(results)]


def _scored(result: Result, predictions: DataFrame) -> _Scored:
    # pandas is not imported to show what is stored
    from serbench.scoring.scores import score

    scores = score(result.benchmark.task, predictions)
    about = notes.about_predictions(result, predictions) + notes.about_result(result, scores)
    return _Scored(result, scores, about)


def _board(compared: Group, recommend: Recommend | None) -> Board:
    group = sorted((_scored(*entry) for entry in compared.entries), key=_order)
    first = group[0].result
    shown = _columns(first)
    sentences = tuple(dict.fromkeys(sentence for each in group for sentence in each.about))
    differences = differing([each.result for each in group], recommend)
    return Board(
        title=compared.title,
        benchmark=first.benchmark,
        protocol=first.protocol,
        split=first.split.hash,
        columns=shown,
        rows=tuple(
            Row(
                rank=_rank(each, group),
                result=each.result,
                values={column.key: _value(each.scores, column) for column in shown},
                seeds=each.scores.seeds,
                differs=differs,
                notes=tuple(1 + sentences.index(sentence) for sentence in each.about),
            )
            for each, differs in zip(group, differences, strict=True)
        ),
        caption=(*_caption(group, differences), *compared.sentences),
        notes=sentences,
    )


def _columns(result: Result) -> tuple[Figure, ...]:
    """Return the figures of a result's task, for each of several tests its own."""
    figures = result.benchmark.task.figures
    tests = [test for fold in result.split.folds for test in fold.tests]
    return tuple(figure.of(test) for test in tests for figure in figures) or figures


def _value(scores: Scores, column: Figure) -> Spread:
    """Return the value of a column, of its test if there are several."""
    if column.test is None:
        return spread(scores, column)
    return spread(scores.tests[column.test], column._replace(key=column.key.split("/", 1)[1]))


def _order(each: _Scored) -> tuple[bool, bool, float, str]:
    value = each.scores.rank
    undefined = math.isnan(value)
    return not each.ranked, undefined, 0.0 if undefined else -value, each.result.digest


def _rank(each: _Scored, group: list[_Scored]) -> int | None:
    if not each.ranked:
        return None
    # equal predictions summed in another order are a tie
    own = round(_defined(each), 12)
    return 1 + sum(other.ranked and round(_defined(other), 12) > own for other in group)


def _defined(each: _Scored) -> float:
    """Return what ranks, with NaN below every number."""
    return -2.0 if math.isnan(each.scores.rank) else each.scores.rank


def spread(scores: Scores, column: Figure) -> Spread:
    """Return the value of a column; one fold, speaker or seed alone has no spread."""
    if column.over == "speakers":
        people = scores.by_speaker[column.key]
        mean, over_seeds = people.mean_of_speakers, people.std_over_seeds
        std = people.std_over_speakers if people.speakers > 1 else None
    else:
        folds = scores.by_fold[column.key]
        mean, over_seeds = folds.mean_of_folds, folds.std_over_seeds
        std = folds.std_over_folds if scores.folds["fold"].nunique() > 1 else None
    return Spread(mean, std, over_seeds if scores.seeds > 1 else None)


def _caption(group: list[_Scored], differences: Sequence[str]) -> list[str]:
    first = group[0]
    sentences = notes.about_numbers(first.result, first.scores)
    if any(each.scores.seeds > 1 for each in group):
        sentences.append(
            "Where there are several seeds, they are averaged first; in brackets the standard "
            "deviation of the mean over seeds."
        )
    if any(differences):
        sentences.append(
            "Settings are named where they are not the recommended ones, or set rows of one name "
            "apart."
        )
    if apart := machines_apart([each.result for each in group]):
        sentences.append(f"Rows were computed, and so rounded, differently: {'; '.join(apart)}.")
    return sentences + notes.about_setting(first.result)
