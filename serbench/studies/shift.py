"""Study `shift`: how far each speaker is from those who were trained on, against how he is served.

Tran et al. (Interspeech 2023), section 1: for arousal of MSP-Podcast, r = -0.714 of feature shift
with performance, -0.502 of label shift, 0.285 of the shifts with each other. Shift is the KL
divergence of a speaker's distribution from that of the training part; how it was estimated, and of
which feature, is not said, so what follows is our choice.

Feature shift: the vector of an utterance is the mean over time and layers of what the encoder
gives; vectors are standardised by the training part and projected on its ten first principal
components; the divergence is that of two Gaussians with diagonal covariances. Label shift: of two
Gaussians, for each dimension; of two distributions over the classes, each with half a clip more of
every class. The speaker's variances are those of his clips and of one more with the training
part's, so that few clips do not give a variance of zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.studies.features import heard
from serbench.studies.intervals import pearson, uncorrelated
from serbench.studies.plotting import COLOURS, tidy
from serbench.studies.report import Cell, Report, Row
from serbench.studies.speakers import own_scores

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

    from serbench.benchmarks import Fold, Task
    from serbench.studies.bench import Bench, Stored

    Array = NDArray[np.float64]


class _Pair(NamedTuple):
    """Two values a speaker that may go together, what they are called, and for which measure."""

    measure: str
    first: str
    second: str
    x: Array
    y: Array

    @property
    def title(self) -> str:
        return f"{self.first} and {self.second}"


COMPONENTS = 10
FEATURE, LABEL = "feature shift", "label shift"


def shift(bench: Bench, run: str, raw: Mapping[str, Any] | None = None) -> Report:
    """Measure the shift of each test speaker of a finished run, and what it goes with.

    Args:
        bench: where results and corpora lie.
        run: how the digest of the run begins, or the path of its record.
        raw: its recipe, as of `Bench.recipe_of`.

    Raises:
        SerbenchError: there is no such run, or its encoder is not kept.
    """
    stored = bench.stored(run)
    result = stored.entry.result
    prepared, vectors = heard(bench, bench.recipe_of(stored, raw))
    task = result.benchmark.task
    shifts = measured_shifts(task, prepared.table, prepared.folds, vectors)
    scores = own_scores(task, stored.entry.predictions)
    rows, pairs = list(_rows(task, shifts, scores)), list(_pairs(task, shifts, scores))
    return Report(
        study="shift",
        about=result.digest[:8],
        caption=" ".join([_caption(stored, len(rows)), *_left_out(pairs)]),
        rows=rows,
        summary=list(_summary(pairs)),
        runs=[result.digest],
        draw=lambda figure: _draw(figure, task, shifts, scores),
    )


def measured_shifts(
    task: Task, table: DataFrame, folds: list[Fold], vectors: list[NDArray[np.float32]]
) -> DataFrame:
    """Return the shifts of each test speaker from the training part; of several folds, the mean.

    Args:
        task: whose labels shift.
        table: the utterances.
        folds: of its rows.
        vectors: for each fold, (N, D) of the utterances.

    Returns:
        A row a speaker: `clips`, `feature shift`, and `label shift`, or for each of several
        dimensions `label shift: DIMENSION`; in nats.
    """
    import pandas as pd

    found = []
    for fold, features in zip(folds, vectors, strict=True):
        points = projected(features, fold.train)
        who = table["speaker"].astype(str).to_numpy()[fold.test]
        for name in sorted(set(who)):
            own = fold.test[who == name]
            labels = label_shifts(task, table, own, fold.train)
            far = gaussian_kl(points[own], points[fold.train])
            found.append({"speaker": name, "clips": len(own), FEATURE: far, **labels})
    return pd.DataFrame(found).groupby("speaker").mean()


def projected(features: NDArray[np.float32], train: NDArray[np.int64]) -> Array:
    """Return (N, P) first principal components of the training part, after standardisation."""
    import numpy as np
    from sklearn.decomposition import PCA

    own = features[train].astype(np.float64)
    spread = own.std(axis=0)
    scaled = (features - own.mean(axis=0)) / np.where(spread > 0, spread, 1)
    count = min(COMPONENTS, *own.shape)
    found: Array = PCA(count, svd_solver="full").fit(scaled[train]).transform(scaled)
    return found


def gaussian_kl(own: Array, others: Array) -> float:
    """Return KL(own || others) of Gaussians with diagonal covariances, in nats.

    Args:
        own: (n, P) of a speaker; one more with the others' variance counts for his.
        others: (m, P).
    """
    import numpy as np

    mean, variance = others.mean(axis=0), others.var(axis=0)
    there = variance > 0
    mean, variance = mean[there], variance[there]
    centre = own[:, there].mean(axis=0)
    spread = (len(own) * own[:, there].var(axis=0) + variance) / (len(own) + 1)
    ratio = spread / variance
    return float(0.5 * (ratio - 1 - np.log(ratio) + (centre - mean) ** 2 / variance).sum())


def label_shifts(
    task: Task, table: DataFrame, own: NDArray[np.int64], train: NDArray[np.int64]
) -> dict[str, float]:
    """Return the divergence of a speaker's labels from those of the training part, by name."""
    import numpy as np

    if not task.words and not task.scales:
        shares = table[[*task.columns]].to_numpy()
        one, other = (
            (shares[part].sum(axis=0) + 0.5) / (shares[part].sum() + 0.5 * shares.shape[1])
            for part in (own, train)
        )
        return {LABEL: float((one * np.log(one / other)).sum())}
    if not task.scales:
        codes = table[task.columns[0]].map({n: i for i, n in enumerate(task.classes)}).to_numpy()
        counts = (np.bincount(codes[part], minlength=len(task.classes)) for part in (own, train))
        one, other = ((count + 0.5) / (count + 0.5).sum() for count in counts)
        return {LABEL: float((one * np.log(one / other)).sum())}
    names = dict(zip(task.scales, _titles(task), strict=True))
    values = table[list(task.scales)].to_numpy(np.float64)
    return {
        title: gaussian_kl(values[own, place : place + 1], values[train, place : place + 1])
        for place, title in enumerate(names.values())
    }


def _titles(task: Task) -> list[str]:
    """Return how the label shifts of a task are called."""
    if len(task.scales) < 2:
        return [LABEL]
    return [f"{LABEL}: {name}" for name in task.scales]


def _measures(task: Task) -> list[str]:
    """Return the measures that shifts are compared with, one for each label shift."""
    if not task.scales:
        return [task.main]
    return [f"{task.main}:{name}" for name in task.scales]


def _rows(task: Task, shifts: DataFrame, scores: DataFrame) -> Iterator[Row]:
    for name in shifts.index.intersection(scores.index):
        own = {key: float(value) for key, value in shifts.loc[name].items()}
        row: Row = {"speaker": str(name), **own, "clips": int(own["clips"])}
        yield {**row, **{each: float(scores.loc[name, each]) for each in _measures(task)}}


def _pairs(task: Task, shifts: DataFrame, scores: DataFrame) -> Iterator[_Pair]:
    both = shifts.join(scores, how="inner")
    for title, measure in zip(_titles(task), _measures(task), strict=True):
        columns = both[[FEATURE, title, measure, "clips"]].dropna()
        feature, label, score, clips = columns.to_numpy(float).T
        yield _Pair(measure, "feature shift", "score", feature, score)
        yield _Pair(measure, "label shift", "score", label, score)
        yield _Pair(measure, "feature", "label shift", feature, label)
        # a divergence of few clips is larger by chance alone
        yield _Pair(measure, "feature shift", "clips", feature, clips)


def _summary(pairs: Sequence[_Pair]) -> Iterator[Row]:
    for pair in pairs:
        if uncorrelated(pair.x, pair.y) is None:
            r = pearson(pair.x, pair.y)
            row: dict[str, Cell] = {"measure": pair.measure, "Pearson's r of": pair.title, "r": r}
            yield row | {"speakers": len(pair.x)}


def _left_out(pairs: Sequence[_Pair]) -> Iterator[str]:
    """Yield a sentence for each correlation that cannot be had."""
    for pair in pairs:
        if reason := uncorrelated(pair.x, pair.y, pair.first, pair.second):
            yield f"No r of {pair.title} ({pair.measure}): {reason}."


def _caption(stored: Stored, speakers: int) -> str:
    result = stored.entry.result
    return (
        f"Run {result.digest[:8]} ({result.labels.upstream} {result.labels.weights} + "
        f"{result.labels.downstream}, {result.benchmark.name}, {result.protocol.name}): KL "
        f"divergence (nats) of each of {speakers} speakers from the training part of his fold. "
        f"Feature shift: diagonal Gaussians of {COMPONENTS} principal components of the means over "
        "time of the encoder's layers. Label shift: Gaussians of the ratings, or shares of the "
        "classes with half a clip more of each. Pearson's r with 95 % delete-one-speaker jackknife "
        "intervals of Fisher's z (t, k - 1 degrees); each speaker is one point."
    )


def _draw(figure: Figure, task: Task, shifts: DataFrame, scores: DataFrame) -> None:
    both = shifts.join(scores, how="inner")
    pairs = list(zip(_titles(task), _measures(task), strict=True))
    figure.set_size_inches(9, 3.2 * len(pairs))
    for row, (title, measure) in zip(
        figure.subplots(len(pairs), 3, squeeze=False), pairs, strict=True
    ):
        points = [(FEATURE, measure), (title, measure), (FEATURE, title)]
        for axes, (x, y), colour in zip(row, points, COLOURS, strict=False):
            axes.scatter(both[x], both[y], s=18, color=colour, alpha=0.7, lw=0)
            known = both[[x, y]].dropna().to_numpy(float).T
            if uncorrelated(*known) is None:
                r = pearson(*known)
                axes.set_title(f"r = {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]", fontsize=9)
            tidy(axes, f"{x} (nats)", f"{y} (nats)" if y == title else y)
