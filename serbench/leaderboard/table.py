"""Ranking: a board for each group of results that may be compared, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from serbench.leaderboard import notes
from serbench.leaderboard.comparable import Group, groups
from serbench.leaderboard.copies import copies
from serbench.leaderboard.differing import Recommend, differing, machines_apart
from serbench.leaderboard.record import BenchmarkRecord, ProtocolRecord, Result
from serbench.leaderboard.standing import Standing, standing

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks.tasks import Figure
    from serbench.scoring.intervals import Interval, Shares
    from serbench.scoring.scores import Scores

_ONCE = "One seed, where others have several: nobody knows how far another training would move it."


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
        rank: 1 is best; rows that cannot be told from the best of their group share its rank. None
            for an incomplete result, and for one whose record has other scores.
        standing: the result with all that its predictions come to.
        values: the key of each column of the board to its value.
        seeds: how many are averaged.
        differs: its settings that are not as recommended, or not those of rows with the same
            labels, "hidden=256"; else empty.
        notes: numbers of the board's notes that concern it.
        copied: whether another row predicts the same (`copies`).
        mark: what is said of it if it was sent in, as of `marks.marks`; else empty.
    """

    rank: int | None
    standing: Standing
    values: Mapping[str, Spread]
    seeds: int
    differs: str
    notes: tuple[int, ...]
    copied: bool
    mark: str

    @property
    def result(self) -> Result:
        """The record."""
        return self.standing.result

    @property
    def sent(self) -> bool:
        """Whether it, or a run that it was made of, was sent in."""
        return bool(self.mark) or any(notes.SENT in said for said in self.result.noted)

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """The key of each column to its 95 % interval over speakers, where there is one."""
        return _intervals(self.shares)

    @property
    def shares(self) -> Mapping[str, Shares]:
        """The key of each column to its value taken apart by speaker, where that can be done."""
        return self.standing.measured.shares

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


def mains(board: Board) -> list[Figure]:
    """Return the column that ranks; of several tests that of each, in their order."""
    first: dict[str | None, Figure] = {}
    for column in board.columns:
        first.setdefault(column.test, column)
    return [*first.values()]


class _Placed(NamedTuple):
    rank: int | None
    standing: Standing
    about: tuple[str, ...]
    copied: bool

    @property
    def result(self) -> Result:
        return self.standing.result

    @property
    def scores(self) -> Scores:
        return self.standing.measured.scores


def rank(
    results: Iterable[tuple[Result, DataFrame]],
    recommend: Recommend | None = None,
    marks: Mapping[str, str] | None = None,
) -> list[Board]:
    """Return the boards that results make, ordered by benchmark and protocol.

    Args:
        results: records with their predictions, in any order. Scores are computed from these;
            those stored in the records only have to agree.
        recommend: what tells the recommended settings, so that rows show others.
        marks: what must be said of some rows, by the digests of their results.
    """
    return boards((standing(*entry) for entry in results), recommend, marks)


def boards(
    standings: Iterable[Standing],
    recommend: Recommend | None = None,
    marks: Mapping[str, str] | None = None,
) -> list[Board]:
    """Return the boards of results that are measured already.

    Args:
        standings: results with what their predictions come to, in any order.
        recommend: as for `rank`.
        marks: as for `rank`.
    """
    return [_board(group, recommend, marks or {}) for group in groups(standings)]


def _board(compared: Group, recommend: Recommend | None, marks: Mapping[str, str]) -> Board:
    group = _placed(compared.entries, marks)
    first = group[0].result
    shown = columns_of(first)
    sentences = tuple(dict.fromkeys(sentence for each in group for sentence in each.about))
    numbers = {sentence: number for number, sentence in enumerate(sentences, start=1)}
    differences = differing([each.result for each in group], recommend)
    return Board(
        title=compared.title,
        benchmark=first.benchmark,
        protocol=first.protocol,
        split=first.split.hash,
        columns=shown,
        rows=tuple(
            Row(
                rank=each.rank,
                standing=each.standing,
                values={column.key: _value(each.scores, column) for column in shown},
                seeds=each.scores.seeds,
                differs=differs,
                notes=tuple(sorted(numbers[sentence] for sentence in each.about)),
                copied=each.copied,
                mark=marks.get(each.result.digest, ""),
            )
            for each, differs in zip(group, differences, strict=True)
        ),
        caption=(*_caption(group, differences), *compared.sentences),
        notes=sentences,
    )


def columns_of(result: Result) -> tuple[Figure, ...]:
    """Return the figures of a result's task, for each of several tests its own."""
    figures = result.benchmark.task.figures
    tests = [test for fold in result.split.folds for test in fold.tests]
    return tuple(figure.of(test) for test in tests for figure in figures) or figures


def _value(scores: Scores, column: Figure) -> Spread:
    """Return the value of a column, of its test if there are several."""
    if column.test is None:
        return spread(scores, column)
    return spread(scores.tests[column.test], column._replace(key=column.key.split("/", 1)[1]))


def _placed(entries: Sequence[Standing], marks: Mapping[str, str]) -> list[_Placed]:
    """Return results, best first, those without a rank last."""
    ranked = sorted((each for each in entries if each.ranked), key=_order)
    others = sorted((each for each in entries if not each.ranked), key=_order)
    ranks, placed = [*_ranks(ranked), *[None] * len(others)], [*ranked, *others]
    copied, once = copies(placed), _trained_once(placed)
    return [
        _Placed(
            rank,
            each,
            (*each.measured.about, *_said(each, once, copied, marks)),
            each.result.digest in copied,
        )
        for rank, each in zip(ranks, placed, strict=True)
    ]


def _trained_once(placed: Sequence[Standing]) -> dict[str, str]:
    """Return what is said of results of one seed, by their digests, where others have several."""
    seeds = {each.result.digest: each.measured.scores.seeds for each in placed}
    several = max(seeds.values(), default=1) > 1
    return {digest: _ONCE for digest, count in seeds.items() if several and count == 1}


def _said(each: Standing, *told: Mapping[str, str]) -> list[str]:
    """Return what is said of a result by its digest."""
    return [known[each.result.digest] for known in told if each.result.digest in known]


def _order(each: Standing) -> tuple[bool, float, str]:
    value = each.measured.scores.rank
    undefined = math.isnan(value)
    return undefined, 0.0 if undefined else -value, each.result.digest


def _ranks(group: Sequence[Standing]) -> list[int]:
    """Return the ranks of results, best first: those that predict the same count once."""
    apart: dict[str, Standing] = {}
    for each in group:
        apart.setdefault(each.measured.predicted, each)
    ranks = dict(zip(apart, _ranks_apart([*apart.values()]), strict=True))
    return [ranks[each.measured.predicted] for each in group]


def _ranks_apart(group: Sequence[Standing]) -> list[int]:
    from serbench.scoring.comparisons import shared_ranks

    if not group:
        return []
    key = group[0].result.benchmark.task.rank
    apart = [each.measured.shares[key] for each in group if key in each.measured.shares]
    if len(apart) == len(group):
        return shared_ranks(apart)
    first: dict[float, int] = {}
    values = [round(_defined(each), 12) for each in group]
    return [first.setdefault(value, 1 + number) for number, value in enumerate(values)]


def _defined(each: Standing) -> float:
    """Return what ranks, with NaN below every number."""
    value = each.measured.scores.rank
    return -2.0 if math.isnan(value) else value


def _intervals(shares: Mapping[str, Shares]) -> dict[str, Interval]:
    from serbench.scoring.intervals import interval

    found = {key: interval(each) for key, each in shares.items()}
    return {key: each for key, each in found.items() if not math.isnan(each.error)}


def spread(scores: Scores, column: Figure) -> Spread:
    """Return the value of a column; one fold, speaker or seed alone has no spread."""
    if column.over == "speakers":
        people = scores.by_speaker[column.key]
        mean, over_seeds = people.mean_of_speakers, people.std_over_seeds
        std = people.std_over_speakers if people.speakers > 1 else None
    else:
        folds = scores.by_fold[column.key]
        mean, over_seeds = folds.mean_of_folds, folds.std_over_seeds
        first = scores.fold_rows[0]["fold"]
        several = any(row["fold"] != first for row in scores.fold_rows)
        std = folds.std_over_folds if several else None
    return Spread(mean, std, over_seeds if scores.seeds > 1 else None)


def _caption(group: list[_Placed], differences: Sequence[str]) -> list[str]:
    first = group[0]
    sentences = notes.about_numbers(first.result, first.scores)
    sentences += _about_ranks(group)
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


def _about_ranks(group: Sequence[_Placed]) -> list[str]:
    """Return what shared ranks mean, where there are intervals."""
    shares = group[0].standing.measured.shares.get(group[0].result.benchmark.task.rank)
    if shares is None or len(shares.speakers) < 2:
        return []
    return [
        f"Intervals: 95 %, over {len(shares.speakers)} speakers (jackknife). Rows that cannot be "
        "told from the best of their group (jackknife of the difference, Holm, 5 %) share its rank."
    ]
