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
    """

    value: float
    speakers: tuple[str, ...]
    parts: Values
    weights: Values


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


def of_speakers(values: Sequence[float], speakers: Sequence[str]) -> Shares:
    """Take a mean of speakers apart: the t interval over speakers follows.

    Args:
        values: of each speaker, averaged over seeds.
        speakers: their names.
    """
    own = np.asarray(values, np.float64)
    count = max(len(own), 1)
    mean = float(own.mean()) if len(own) else np.nan
    return Shares(mean, tuple(speakers), own / count, np.full(len(own), 1 / count))


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
    needed = scores.min_utterances if task.correlates else 1
    people = scores.speakers[scores.speakers["utterances"] >= needed]
    names = [str(name) for name in people["speaker"]]
    for figure in task.figures:
        if figure.over == "speakers":
            found[figure.key] = of_speakers([*people[figure.key.removeprefix("a_")]], names)
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

    # -1 is nobody known
    named = predictions["speaker"].where(predictions["speaker"] != UNKNOWN)
    who, speakers = factorize(named)
    seeds, _ = factorize(predictions["seed"])
    rows = [*predictions.groupby("fold", sort=False).indices.values()]
    known: dict[Any, list[Cell]] = {}  # UA, WA and macro F1 follow from the same sums
    for measure in task.measures:
        if measure.metric not in ADDITIVE:
            continue
        of, value = ADDITIVE[measure.metric]
        both = (measure.truth, measure.prediction)
        if (of, both) not in known:
            sides = [side_of(predictions, side).to_numpy() for side in both]
            known[of, both] = [
                _cell(of, [side[own] for side in sides], task.classes, who[own], seeds[own])
                for own in rows
            ]
        shares = of_folds(known[of, both], value, [*map(str, speakers)])
        yield f"{task.over_folds}{measure.name}", shares


def _cell(
    of: Callable[..., Values], sides: list[Any], labels: Sequence[str], who: Codes, seeds: Codes
) -> Cell:
    """Return the sums of one fold; of who is -1, nobody knows who speaks."""
    present, place = np.unique(who, return_inverse=True)
    trained, turn = np.unique(seeds, return_inverse=True)
    groups = turn * len(present) + place
    sums = of(*sides, labels, groups, len(trained) * len(present))
    each = sums.reshape(len(trained), len(present), *sums.shape[1:])
    nobody = int(present[0] < 0)
    return Cell(present[nobody:], each[:, nobody:], each[:, :nobody].sum(axis=1, keepdims=True))
