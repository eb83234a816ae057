"""How far a figure would move with other speakers: the jackknife over speakers.

Utterances of one speaker go together, so that it is speakers who are counted. Each is left out
once; what then becomes of the figure tells what that speaker adds to it, and the spread of these
shares how well it is known (Tukey 1958; Efron, Stein: The Jackknife Estimate of Variance. Annals of
Statistics 9 (1981), 586-596). A figure that is a mean of folds is taken apart fold by fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from serbench.benchmarks import UNKNOWN
from serbench.scoring.predictions import side_of
from serbench.scoring.sums import ADDITIVE, Codes, Values

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Task
    from serbench.scoring.scores import Scores

LEVEL = 0.95


class Interval(NamedTuple):
    """A figure with its confidence interval.

    Attributes:
        value: the figure.
        low: end of the interval.
        high: end of the interval.
        error: standard error.
        speakers: how many it rests on; the interval is that of t with one degree less.
    """

    value: float
    low: float
    high: float
    error: float
    speakers: int


@dataclass(frozen=True)
class Shares:
    """A figure taken apart by speaker.

    Attributes:
        value: the figure, averaged over seeds.
        speakers: (K,) who adds to it.
        parts: (K,) what each adds; their sum is the figure less its bias.
        weights: (K,) how much of the figure each one is; their sum is 1.
        left_out: speakers for whom the figure, a mean of speakers, is not defined.
    """

    value: float
    speakers: tuple[str, ...]
    parts: Values
    weights: Values
    left_out: tuple[str, ...] = ()

    def without(self, speakers: Sequence[str]) -> Shares:
        """Return a mean of speakers without some of them; NaN where nobody is left."""
        kept = ~np.isin(self.speakers, speakers)
        if kept.all():
            return self
        total = self.weights[kept].sum()
        parts, weights = self.parts[kept] / total, self.weights[kept] / total
        names = tuple(name for name, there in zip(self.speakers, kept, strict=True) if there)
        value = float(parts.sum()) if names else np.nan
        return Shares(value, names, parts, weights, self.left_out)


class Cell(NamedTuple):
    """A fold: `who` (K,) numbers of its speakers, `sums` (seeds, K, ...) of each.

    `rest` (seeds, 1, ...) is of utterances of which nobody knows who speaks: they are in the
    figure, and never left out.
    """

    who: Codes
    sums: Values
    rest: Values | float = 0.0


def of_folds(
    cells: Iterable[Cell], value: Callable[[Values], Values], speakers: Sequence[str]
) -> Shares:
    """Take a mean of folds apart.

    Args:
        cells: the folds.
        value: from sums the metric, as in `serbench.scoring.sums`.
        speakers: their names by number.
    """
    folds = [*cells]
    parts, weights = np.zeros(len(speakers)), np.zeros(len(speakers))
    values = []
    for who, sums, rest in folds:
        count = len(who)
        total = sums.sum(axis=1, keepdims=True) + rest
        whole = value(total).mean(axis=0)
        # a speaker alone is the fold
        own = whole if count == 1 else _pseudo(whole, value(total - sums).mean(axis=0), count)
        parts[who] += own / (max(count, 1) * len(folds))
        weights[who] += 1 / (max(count, 1) * len(folds))
        values.append(float(whole[0]))
    if any(not len(each.who) for each in folds):
        parts[:] = np.nan  # nothing tells how far a fold of nobody known would move
    return Shares(float(np.mean(values)), tuple(speakers), parts, weights)


def _pseudo(whole: Values, without: Values, count: int) -> Values:
    return count * whole - (count - 1) * without


def of_speakers(
    values: Sequence[float], speakers: Sequence[str], left_out: Sequence[str] = ()
) -> Shares:
    """Take a mean of speakers apart: the t interval over speakers follows.

    Args:
        values: of each speaker, averaged over seeds.
        speakers: their names.
        left_out: names of those for whom it is not defined.
    """
    own = np.asarray(values, np.float64)
    count = max(len(own), 1)
    mean = float(own.mean()) if len(own) else np.nan
    weights = np.full(len(own), 1 / count)
    return Shares(mean, tuple(speakers), own / count, weights, tuple(left_out))


def mean_of_speakers(scores: Scores, name: str) -> Shares:
    """Take an average over speakers apart, such as `a_ccc:arousal`."""
    people = scores.averaged_rows(name)
    values = [row[name.removeprefix("a_")] for row in people]
    names = [str(row["speaker"]) for row in people]
    return of_speakers(values, names, scores.by_speaker[name].undefined)


def mean(several: Sequence[Shares]) -> Shares:
    """Return the mean of figures, such as the CCC of several dimensions, taken apart."""
    first = several[0]
    return Shares(
        float(np.mean([each.value for each in several])),
        first.speakers,
        np.mean([each.parts for each in several], axis=0),
        first.weights,
    )


def interval(shares: Shares, level: float = LEVEL) -> Interval:
    """Return a figure with its interval: value ± t(K - 1) times the jackknife's standard error.

    Args:
        shares: of the figure.
        level: how often such an interval is to hold what it is for.

    Returns:
        Ends and error are NaN for fewer than two speakers, and where a share is undefined.
    """
    error, count = standard_error(shares.parts, shares.weights)
    reach = t_quantile(level, count) * error
    value = shares.value
    return Interval(value, value - reach, value + reach, error, count)


def standard_error(parts: Values, weights: Values) -> tuple[float, int]:
    """Return the standard error of a sum of parts (K,) with these weights (K,), and K."""
    counting = weights > 0
    count = int(counting.sum())
    if count < 2:
        return np.nan, count
    own = parts[counting] - weights[counting] * parts[counting].sum()
    return float(np.sqrt(count / (count - 1) * (own @ own))), count


@cache
def t_quantile(level: float, count: int) -> float:
    """Return how many standard errors the interval over `count` speakers or folds reaches."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + level) / 2)) if count > 1 else np.nan


def taken_apart(task: Task, predictions: DataFrame, scores: Scores) -> dict[str, Shares]:
    """Return the figures of a task taken apart, by their keys.

    A figure whose metric does not follow from sums over utterances is left out.

    Args:
        task: what is predicted.
        predictions: as `serbench.scoring.scores.score` takes them.
        scores: of these.
    """
    found = over_folds(task, predictions)
    for figure in task.figures:
        if figure.over == "speakers":
            found[figure.key] = mean_of_speakers(scores, figure.key)
    return {figure.key: found[figure.key] for figure in task.figures if figure.key in found}


def over_folds(task: Task, predictions: DataFrame) -> dict[str, Shares]:
    """Return the measures that follow from sums taken apart, as means of folds, by their keys.

    Args:
        task: what is predicted.
        predictions: of all utterances, or of some; a fold without any does not count.
    """
    found = dict(_measures(task, predictions))
    if task.averaged and len(found) == len(task.measures):
        found[task.rank] = mean([*found.values()])
    return found


def _measures(task: Task, predictions: DataFrame) -> Iterator[tuple[str, Shares]]:
    from pandas import factorize

    named = predictions["speaker"].to_numpy(dtype=object, copy=True)
    named[named == UNKNOWN] = None
    who, speakers = factorize(named)  # -1 is nobody known
    seeds, _ = factorize(predictions["seed"].to_numpy())
    folds = [_fold(own, who[own], seeds[own]) for own in _rows_of_folds(predictions)]
    known: dict[Any, list[Cell]] = {}  # UA, WA and macro F1 follow from the same sums
    for measure in task.measures:
        if measure.metric not in ADDITIVE:
            continue
        of, value = ADDITIVE[measure.metric]
        both = (measure.truth, measure.prediction)
        if (of, both) not in known:
            sides = [side_of(predictions, side).to_numpy() for side in both]
            known[of, both] = [_cell(of, sides, task.classes, fold) for fold in folds]
        shares = of_folds(known[of, both], value, [*map(str, speakers)])
        yield f"{task.over_folds}{measure.name}", shares


def _rows_of_folds(predictions: DataFrame) -> list[Codes]:
    """Return where the rows of each fold are, in the order of appearance."""
    from pandas import factorize

    folds, _ = factorize(predictions["fold"].to_numpy())
    ends = np.cumsum(np.bincount(folds))[:-1]
    return np.split(np.argsort(folds, kind="stable"), ends)


class _Fold(NamedTuple):
    """A fold: its rows, who is in it (-1: nobody known), how many seeds, the cell of each row."""

    rows: Codes
    present: Codes
    seeds: int
    cells: Codes


def _fold(rows: Codes, who: Codes, seeds: Codes) -> _Fold:
    present, place = np.unique(who, return_inverse=True)
    trained, turn = np.unique(seeds, return_inverse=True)
    return _Fold(rows, present, len(trained), turn * len(present) + place)


def _cell(of: Callable[..., Values], sides: list[Any], labels: Sequence[str], fold: _Fold) -> Cell:
    """Return the sums of one fold."""
    present, seeds = fold.present, fold.seeds
    own = (side[fold.rows] for side in sides)
    sums = of(*own, labels, fold.cells, seeds * len(present))
    each = sums.reshape(seeds, len(present), *sums.shape[1:])
    nobody = int(present[0] < 0)
    return Cell(present[nobody:], each[:, nobody:], each[:, :nobody].sum(axis=1, keepdims=True))
