"""All scores of a run from its predictions: by fold, by speaker, over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series, factorize

from serbench.benchmarks import UNKNOWN, Task
from serbench.errors import SerbenchError
from serbench.scoring.grouped import of_groups
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
        constant: how many of `speakers` have truths that are all equal, so that a measure of how
            two series go together is 0 or undefined, by a hair; of a mean over dimensions, in one
            of these.
    """

    mean_of_speakers: float
    std_over_speakers: float
    std_over_seeds: float
    speakers: int
    left_out: int
    constant: int = 0


@dataclass(frozen=True)
class Scores:
    """All scores of a run, in float64.

    An undefined value is NaN, and so is every average that it enters: nothing is left out
    without being counted. `undefined` says where NaN arises.

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
    if isinstance(value, list):
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
    folds = measured(task, predictions, ["fold", "seed"], task.over_folds)
    pooled = measured(task, predictions, ["seed"], task.over_folds)
    predictions = predictions[predictions["speaker"] != UNKNOWN]
    people = measured(task, predictions, ["speaker", "seed"], "")
    needed = task.min_utterances if task.correlates else 1
    size = predictions.groupby("speaker", sort=False)["utterance"].nunique()
    counting = people[people["speaker"].map(size) >= needed]
    by_fold = _by_fold(folds, pooled)
    return Scores(
        rank_name=task.rank,
        rank=by_fold[task.rank].mean_of_folds,
        by_fold=by_fold,
        by_speaker=_by_speaker(
            counting, int((size < needed).sum()), _constant(task, predictions, size[size >= needed])
        ),
        fold_rows=_rows(folds),
        speaker_rows=_rows(_over_seeds(people, size)),
        seeds=len(pooled),
        min_utterances=task.min_utterances,
        undefined=(
            *_undefined(folds, ["fold", "seed"]),
            *_undefined(counting, ["speaker", "seed"]),
        ),
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
    cells = predictions.groupby(keys, sort=False).ngroup().to_numpy().astype(np.intp)
    _, first = np.unique(cells, return_index=True)
    table: DataFrame = predictions[keys].iloc[first].reset_index(drop=True)
    return table.assign(
        utterances=np.bincount(cells, minlength=len(table)),
        **{f"{prefix}{name}": value for name, value in _measures(task, predictions, cells).items()},
    )


def _measures(task: Task, predictions: DataFrame, groups: Codes) -> dict[str, Values]:
    """Return what a task measures on each group of predictions, by name."""
    values = {}
    for m in task.measures:
        truth, given = (side_of(predictions, each).to_numpy() for each in (m.truth, m.prediction))
        values[m.name] = of_groups(m.metric, truth, given, task.classes, groups)
    return values | ({task.main: np.mean([*values.values()], axis=0)} if task.averaged else {})


def _rows(cells: DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in cells.to_dict("records")]


def _names(cells: DataFrame) -> list[str]:
    return [c for c in cells.columns if c not in ("fold", "seed", "speaker", "utterances")]


def _averages(cells: DataFrame, by: str) -> NDArray[np.float64]:
    """Return (groups, metrics) the average of each metric over the cells of each group."""
    values = cells[_names(cells)].to_numpy()
    if not len(values):
        return np.full((1, values.shape[1]), np.nan)
    groups = factorize(cells[by])[0]
    order = np.argsort(groups, kind="stable")
    # pandas' own mean would skip NaN
    each = np.split(values[order], np.flatnonzero(np.diff(groups[order])) + 1)
    return np.array([rows.mean(axis=0) for rows in each])


def _by_fold(folds: DataFrame, pooled: DataFrame) -> dict[str, FoldSummary]:
    seeds, own = _averages(folds, "seed"), _averages(folds, "fold")
    together = _averages(pooled, "seed")
    figures = [seeds.mean(axis=0), own.std(axis=0), seeds.std(axis=0), together.mean(axis=0)]
    values = np.transpose(figures).tolist()
    return {name: FoldSummary(*row) for name, row in zip(_names(folds), values, strict=True)}


def _constant(task: Task, predictions: DataFrame, counting: Series[int]) -> dict[str, int]:
    """Return, for measures that correlate, how many of some speakers have truths all equal."""
    if not task.correlates:
        return {}
    rows = predictions[predictions["speaker"].isin(counting.index)].groupby("speaker")
    constant = DataFrame({m.name: rows[m.truths[0]].nunique() < 2 for m in task.measures})
    counts = {m.name: int(constant[m.name].sum()) for m in task.measures}
    return {task.main: int(constant.any(axis=1).sum())} | counts


def _by_speaker(
    counting: DataFrame, left_out: int, constant: Mapping[str, int]
) -> dict[str, SpeakerSummary]:
    seeds, own = _averages(counting, "seed"), _averages(counting, "speaker")
    values = np.transpose([seeds.mean(axis=0), own.std(axis=0), seeds.std(axis=0)]).tolist()
    count = int(counting["speaker"].nunique())
    return {
        f"a_{name}": SpeakerSummary(
            mean, over_speakers, over_seeds, count, left_out, constant.get(name, 0)
        )
        for name, (mean, over_speakers, over_seeds) in zip(_names(counting), values, strict=True)
    }


def _over_seeds(people: DataFrame, size: Series[int]) -> DataFrame:
    table = DataFrame({"speaker": size.index, "utterances": size.to_numpy()})
    averages = _averages(people, "speaker")[: len(table)]
    return table.assign(**dict(zip(_names(people), averages.T, strict=True)))


def _undefined(cells: DataFrame, keys: list[str]) -> Iterator[str]:
    names = _names(cells)
    for row in cells[cells[names].isna().any(axis=1)].to_dict(orient="records"):
        nan = [name for name in names if np.isnan(row[name])]
        yield ", ".join(f"{key} {row[key]}" for key in keys) + f": {', '.join(nan)}"
