"""All scores of a run from its predictions: by fold, by speaker, over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series, factorize

from serbench.benchmarks import UNKNOWN, Task
from serbench.errors import SerbenchError
from serbench.scoring.grouped import of_groups
from serbench.scoring.numbering import numbered
from serbench.scoring.predictions import TEST, WHO, gap, side_of
from serbench.scoring.sums import Codes, Values


@dataclass(frozen=True)
class FoldSummary:
    """A metric over folds and seeds.

    Attributes:
        mean_of_folds: over the folds of each seed, then over seeds.
        std_over_folds: of the folds' values, each averaged over seeds (ddof 0).
        std_over_seeds: of the seeds' means of folds (ddof 0; 0 for one seed).
        pooled: on all test predictions of a seed together, then averaged over seeds.
    """

    mean_of_folds: float
    std_over_folds: float
    std_over_seeds: float
    pooled: float


@dataclass(frozen=True)
class SpeakerSummary:
    """A metric over test speakers and seeds; a speaker's predictions of all folds count together.

    Attributes:
        mean_of_speakers: over the speakers of each seed, then over seeds.
        std_over_speakers: of the speakers' values, each averaged over seeds (ddof 0).
        std_over_seeds: of the seeds' means of speakers (ddof 0; 0 for one seed).
        speakers: how many are averaged.
        left_out: how many have too few utterances.
        constant: how many of those with utterances enough have truths that are all equal, so that
            a measure of how two series go together is 0 or undefined, by a hair; of a mean over
            dimensions, in one of these.
        undefined: names of those for whom it is undefined, with some seed: all that is predicted
            is their one truth. They are in none of the averages.
    """

    mean_of_speakers: float
    std_over_speakers: float
    std_over_seeds: float
    speakers: int
    left_out: int
    constant: int = 0
    undefined: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scores:
    """All scores of a run, in float64.

    An undefined value is NaN, and so is every average that it enters: nothing is left out
    without being counted. `undefined` says where NaN arises; speakers for whom a CCC is not defined
    however good the prediction is are in no average, see `SpeakerSummary.undefined`.

    Utterances of which nobody knows who speaks count in folds alone, in no figure by speaker.

    Metrics are `wa`, `ua`, `macro_f1` for classes; for dimensions `o_ccc:DIMENSION` and `o_ccc`,
    the mean over dimensions. Averages of the speakers' own metrics begin with `a_`: `a_ua`,
    `a_ccc:DIMENSION`, `a_ccc`.

    Attributes:
        rank_name: the metric that ranks, averaged over folds: `ua` or `o_ccc`.
        rank: its value.
        by_fold: metric to its summary over folds.
        by_speaker: metric to its summary over speakers.
        fold_rows: one a fold and seed: `fold`, `seed`, `utterances`, and the metrics.
        speaker_rows: one a test speaker, those left out of averages too: `speaker`, `utterances`
            (different ones), and the metrics (`ccc` for the CCC), averaged over seeds.
        seeds: how many.
        min_utterances: that a speaker needs to count in `a_ccc`.
        undefined: for each fold and seed, and for each speaker who counts and seed, the metrics
            that are NaN, if any: "speaker 17, seed 0: ccc:valence, ccc".
        tests: where there are several tests, the scores of each by its name. They are never
            averaged: all of the above is then of the first one, which ranks.
    """

    rank_name: str
    rank: float
    by_fold: Mapping[str, FoldSummary]
    by_speaker: Mapping[str, SpeakerSummary]
    fold_rows: list[dict[str, Any]]
    speaker_rows: list[dict[str, Any]]
    seeds: int
    min_utterances: int
    undefined: tuple[str, ...]
    tests: Mapping[str, Scores] = field(default_factory=dict)

    @cached_property
    def folds(self) -> DataFrame:
        """The rows of folds as a table."""
        return DataFrame(self.fold_rows)

    @cached_property
    def speakers(self) -> DataFrame:
        """The rows of speakers as a table, which may have none."""
        measures = (name.removeprefix("a_") for name in self.by_speaker)
        return DataFrame(self.speaker_rows, columns=["speaker", "utterances", *measures])

    def averaged(self, name: str) -> DataFrame:
        """Return the rows of the speakers that an average is of, such as `a_ccc:arousal`."""
        return DataFrame(self.averaged_rows(name), columns=self.speakers.columns)

    def averaged_rows(self, name: str) -> list[dict[str, Any]]:
        """Return the same as `averaged`, as plain rows."""
        summary = self.by_speaker[name]
        enough = self.min_utterances if summary.left_out else 1
        return [
            row
            for row in self.speaker_rows
            if row["utterances"] >= enough and str(row["speaker"]) not in summary.undefined
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values that JSON has; NaN is None."""
        plain = {
            "rank_name": self.rank_name,
            "rank": self.rank,
            "by_fold": {name: asdict(summary) for name, summary in self.by_fold.items()},
            "by_speaker": {name: asdict(summary) for name, summary in self.by_speaker.items()},
            "folds": self.fold_rows,
            "speakers": self.speaker_rows,
            "seeds": self.seeds,
            "min_utterances": self.min_utterances,
            "undefined": list(self.undefined),
        }
        if self.tests:
            plain["tests"] = {name: each.to_json() for name, each in self.tests.items()}
        return {key: _plain(value) for key, value in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def score(task: Task, predictions: DataFrame) -> Scores:
    """Return all scores of a run, of the folds and seeds that are in `predictions`.

    Args:
        task: what is predicted.
        predictions: one row an utterance x fold x seed: `utterance`, `speaker`, `fold`, `seed`;
            `truth` and `prediction` (labels), or `truth:DIMENSION` and `prediction:DIMENSION`.

    Raises:
        SerbenchError: a column or an entry is missing, a row is there twice, or a truth is no label
            of the task.
    """
    _check(task, predictions)
    if TEST in predictions:
        each = predictions.groupby(TEST, sort=False)
        tests = {str(name): score(task, rows.drop(columns=TEST)) for name, rows in each}
        return replace(next(iter(tests.values())), tests=tests)
    folds = _cells(task, predictions, ["fold", "seed"], task.over_folds)
    pooled = _cells(task, predictions, ["seed"], task.over_folds)
    predictions = predictions[(predictions["speaker"] != UNKNOWN).to_numpy()]
    people = _cells(task, predictions, ["speaker", "seed"], "")
    needed = task.min_utterances if task.correlates else 1
    size = _sizes(predictions)
    counting = people.only([size[name] >= needed for name in people.keys["speaker"]])
    undefined = _undefinable(task, predictions, counting)
    by_fold = _by_fold(folds, pooled)
    few = {name for name, count in size.items() if count < needed}
    return Scores(
        rank_name=task.rank,
        rank=by_fold[task.rank].mean_of_folds,
        by_fold=by_fold,
        by_speaker=_by_speaker(counting, len(few), _constant(task, predictions, few), undefined),
        fold_rows=folds.rows(),
        speaker_rows=_over_seeds(people, size).rows(),
        seeds=len(pooled.sizes),
        min_utterances=task.min_utterances,
        undefined=(*_undefined(folds), *_undefined(counting, undefined)),
    )


def _check(task: Task, predictions: DataFrame) -> None:
    columns = [name for m in task.measures for name in (*m.truths, *m.predictions)]
    absent = [c for c in dict.fromkeys((*WHO, *columns)) if c not in predictions]
    if absent:
        msg = f"the predictions have no {', '.join(absent)}; run the recipe again"
        raise SerbenchError(msg)
    # an undefined number is shown as such, but no label at all would pass as a wrong one
    filled = dict.fromkeys((*WHO, *task.truths, *task.words))
    if reason := gap(predictions, filled):
        raise SerbenchError(f"{reason}; run the recipe again")


def measured(task: Task, predictions: DataFrame, keys: list[str], prefix: str) -> DataFrame:
    """Return one row of measures for each group of predictions, in the order of appearance.

    Args:
        task: what is predicted.
        predictions: as `score` takes them.
        keys: columns whose values a group shares.
        prefix: of the names of the measures.

    Returns:
        The keys, `utterances` (rows of the group), and the measures.
    """
    first = numbered(predictions, keys).first
    own = _cells(task, predictions, keys, prefix)
    table: DataFrame = predictions[keys].iloc[first].reset_index(drop=True)
    return table.assign(utterances=own.sizes, **dict(zip(own.names, own.values.T, strict=True)))


class _Cells(NamedTuple):
    """Groups of predictions.

    keys: what a group shares, a value each.
    sizes: (G,) how many rows, or utterances.
    names: of the metrics.
    values: (G, metrics).
    """

    keys: dict[str, NDArray[Any]]
    sizes: NDArray[np.intp]
    names: list[str]
    values: Values

    def only(self, which: list[bool]) -> _Cells:
        """Return some of the groups."""
        chosen = np.array(which, bool)
        keys = {name: own[chosen] for name, own in self.keys.items()}
        return self._replace(keys=keys, sizes=self.sizes[chosen], values=self.values[chosen])

    def rows(self) -> list[dict[str, Any]]:
        """Return a plain row for each group."""
        columns = [*self.keys.values(), self.sizes, *self.values.T]
        titles = [*self.keys, "utterances", *self.names]
        each = zip(*(column.tolist() for column in columns), strict=True)
        return [dict(zip(titles, row, strict=True)) for row in each]


def _cells(task: Task, predictions: DataFrame, keys: list[str], prefix: str) -> _Cells:
    """Return what `measured` does, as arrays, of which few are faster than a table."""
    groups, first = numbered(predictions, keys)
    found = _measures(task, predictions, groups)
    return _Cells(
        {key: predictions[key].to_numpy()[first] for key in keys},
        np.bincount(groups, minlength=len(first)),
        [f"{prefix}{name}" for name in found],
        np.array([*found.values()]).T,
    )


def _sizes(predictions: DataFrame) -> dict[str, int]:
    """Return how many different utterances each speaker has, in the order of appearance."""
    who, first = numbered(predictions, ["speaker"])
    once = numbered(predictions, ["speaker", "utterance"]).first
    names = predictions["speaker"].to_numpy()[first].tolist()
    return dict(zip(names, np.bincount(who[once], minlength=len(first)).tolist(), strict=True))


def _measures(task: Task, predictions: DataFrame, groups: Codes) -> dict[str, Values]:
    """Return what a task measures on each group of predictions, by name."""
    values: dict[str, Values] = {}
    of_sides: dict[Any, dict[str, str]] = {}
    for m in task.measures:
        of_sides.setdefault((m.truth, m.prediction), {})[m.name] = m.metric
    for sides, metrics in of_sides.items():
        truth, given = (side_of(predictions, each).to_numpy() for each in sides)
        found = of_groups([*metrics.values()], truth, given, task.classes, groups)
        values |= zip(metrics, found, strict=True)
    return values | ({task.main: np.mean([*values.values()], axis=0)} if task.averaged else {})


def _averages(cells: _Cells, by: str) -> Values:
    """Return (groups, metrics) the average of each metric over the cells of each group."""
    if not len(cells.values):
        return np.full((1, len(cells.names)), np.nan)
    groups = factorize(cells.keys[by])[0]
    order = np.argsort(groups, kind="stable")
    # pandas' own mean would skip NaN
    each = np.split(cells.values[order], np.flatnonzero(np.diff(groups[order])) + 1)
    return np.array([rows.mean(axis=0) for rows in each])


def _by_fold(folds: _Cells, pooled: _Cells) -> dict[str, FoldSummary]:
    seeds, own = _averages(folds, "seed"), _averages(folds, "fold")
    together = _averages(pooled, "seed")
    figures = [seeds.mean(axis=0), own.std(axis=0), seeds.std(axis=0), together.mean(axis=0)]
    values = np.transpose(figures).tolist()
    return {name: FoldSummary(*row) for name, row in zip(folds.names, values, strict=True)}


def _constant(task: Task, predictions: DataFrame, few: Set[str]) -> dict[str, int]:
    """Return, for measures that correlate, of how many who count truths are all equal."""
    if not task.correlates:
        return {}
    who, first = numbered(predictions, ["speaker"])
    counts = np.array([n not in few for n in predictions["speaker"].to_numpy()[first]], bool)
    constant = {}
    for m in task.measures:
        truth = predictions[m.truths[0]].to_numpy()
        differs = np.bincount(who, truth != truth[first][who], len(first))
        constant[m.name] = counts & (differs == 0)
    either = int(np.any([*constant.values()], axis=0).sum())
    return {task.main: either} | {name: int(own.sum()) for name, own in constant.items()}


def _undefinable(
    task: Task, predictions: DataFrame, counting: _Cells
) -> dict[str, tuple[str, ...]]:
    """Return for whom measures are 0 / 0: all ratings are one number, and so is what is predicted.

    That is no failure of the system. A mean over dimensions lacks who lacks one of them, unless
    another is undefined for want of a number.
    """
    if not task.correlates or not np.isnan(counting.values).any():
        return {}
    speakers = Series(counting.keys["speaker"], dtype=object)
    nan = DataFrame(np.isnan(counting.values), columns=counting.names).groupby(speakers).any()
    rows = predictions[predictions["speaker"].isin(nan.index)].groupby("speaker")
    found = DataFrame(index=nan.index)
    for m in task.measures:
        finite = rows[m.predictions[0]].agg(lambda own: bool(np.isfinite(own).all()))
        found[m.name] = nan[m.name] & (rows[m.truths[0]].nunique() < 2) & finite
    failed = (nan[[*found]] & ~found).any(axis=1)
    found[task.main] = found.any(axis=1) & ~failed
    return {str(name): tuple(map(str, nan.index[own])) for name, own in found.items() if own.any()}


def _by_speaker(
    counting: _Cells,
    left_out: int,
    constant: Mapping[str, int],
    undefined: Mapping[str, tuple[str, ...]],
) -> dict[str, SpeakerSummary]:
    found = {}
    for place, name in enumerate(counting.names):
        gone = undefined.get(name, ())
        rows = counting.only([str(who) not in gone for who in counting.keys["speaker"]])
        rows = rows._replace(names=[name], values=rows.values[:, [place]])
        seeds, own = _averages(rows, "seed"), _averages(rows, "speaker")
        found[f"a_{name}"] = SpeakerSummary(
            mean_of_speakers=float(seeds.mean()),
            std_over_speakers=float(own.std()),
            std_over_seeds=float(seeds.std()),
            speakers=len({*rows.keys["speaker"].tolist()}),
            left_out=left_out,
            constant=constant.get(name, 0),
            undefined=gone,
        )
    return found


def _over_seeds(people: _Cells, size: Mapping[str, int]) -> _Cells:
    speakers, sizes = np.array([*size], object), np.array([*size.values()], np.intp)
    averages = _averages(people, "speaker")[: len(size)]
    return people._replace(keys={"speaker": speakers}, sizes=sizes, values=averages)


def _undefined(
    cells: _Cells, left_out: Mapping[str, tuple[str, ...]] | None = None
) -> Iterator[str]:
    known = left_out or {}
    for row in cells.rows() if np.isnan(cells.values).any() else []:
        who = str(row.get("speaker"))
        names = (name for name in cells.names if np.isnan(row[name]))
        if nan := [name for name in names if who not in known.get(name, ())]:
            yield ", ".join(f"{key} {row[key]}" for key in cells.keys) + f": {', '.join(nan)}"
