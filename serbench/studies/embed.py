"""Study `embed`: what features are like, in two dimensions, by emotion, speaker and gender."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from serbench.errors import SerbenchError
from serbench.leaderboard import beside
from serbench.scoring.voices import vectors as voices_of
from serbench.studies.features import Heard, heard
from serbench.studies.plotting import COLOURS
from serbench.studies.report import Report, Row

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from serbench.benchmarks import Task
    from serbench.studies.bench import Bench, Stored

Of = Literal["utterances", "speakers"]
NEIGHBOURS = 5
_PERPLEXITY = 30.0
_NAMED = 12
"""Values that a legend names; of more, colours tell them apart as far as they can."""


class _Map(NamedTuple):
    """Points in two dimensions, with what is known of them, and what the map is worth.

    points: a row a point: what is known, then `pca 1`, `pca 2`, `t-sne 1`, `t-sne 2`.
    known: columns of what is known.
    explained: share of the variance that the two principal components have.
    """

    points: DataFrame
    known: list[str]
    explained: float


def embed(
    bench: Bench, run: str, of: Of = "utterances", raw: Mapping[str, Any] | None = None
) -> Report:
    """Map the vectors of a finished run by PCA and t-SNE (van der Maaten and Hinton, JMLR 9, 2008).

    A map of t-SNE shows who is near, not how far; distances between groups and their sizes mean
    nothing. So the summary says, of the vectors themselves, how often the five nearest others
    (cosine, after standardisation) have the same emotion, speaker or gender, beside chance.

    Args:
        bench: where results and corpora lie.
        run: how the digest of the run begins, or the path of its record.
        of: "utterances": the mean over time and layers of what the encoder gives, in the first fold
            where each fold has an encoder of its own; "speakers": the vectors that post-processors
            take voices by, of the first fold and seed.
        raw: its recipe, as of `Bench.recipe_of`.

    Raises:
        SerbenchError: there is no such run, its encoder is not kept, or there are too few points.
    """
    stored = bench.stored(run)
    result = stored.entry.result
    about, vectors = _material(heard(bench, bench.recipe_of(stored, raw)), stored, of)
    made = _mapped(about, vectors)
    return Report(
        study=f"embed-{of}",
        about=result.digest[:8],
        caption=_caption(stored, of, made),
        rows=[_row(row) for row in made.points.to_dict("records")],
        summary=list(agreement(about, vectors)),
        runs=[result.digest],
        draw=lambda figure: _draw(figure, made),
    )


def _material(found: Heard, stored: Stored, of: Of) -> tuple[DataFrame, NDArray[Any]]:
    """Return what is known of each point, and its vector."""
    table = found.prepared.table
    known = _known(stored.entry.result.benchmark.task, table)
    if of == "utterances":
        return known, found.vectors[0]
    voices = beside.load_voices(stored.path, stored.entry.result)
    first = voices[["fold", "seed"]].iloc[0]
    voices = voices[(voices["fold"] == first["fold"]) & (voices["seed"] == first["seed"])]
    each = table.assign(speaker=table["speaker"].astype(str)).drop_duplicates("speaker")
    genders = each.set_index("speaker")["gender"].reindex(voices["speaker"])
    about = voices[["speaker"]].assign(gender=genders.to_numpy()).reset_index(drop=True)
    return about.dropna(axis=1), voices_of(voices)


def _known(task: Task, table: DataFrame) -> DataFrame:
    """Return what is known of utterances: labels, who speaks, and the gender where it is known."""
    about = table[[*task.columns, "speaker", "gender"]].astype({"speaker": str})
    return about.dropna(axis=1, how="any").reset_index(drop=True)


def _standardised(vectors: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    points = np.asarray(vectors, np.float64)
    spread = points.std(axis=0)
    scaled: NDArray[np.float64] = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _mapped(about: DataFrame, vectors: NDArray[Any]) -> _Map:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(vectors) <= NEIGHBOURS:
        msg = f"there are {len(vectors)} points; a map needs more than {NEIGHBOURS}"
        raise SerbenchError(msg)
    points = _standardised(vectors)
    plain = PCA(2, svd_solver="full").fit(points)
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    # on components that have most of the variance, as its authors do
    narrow = PCA(min(50, *points.shape), svd_solver="full").fit_transform(points)
    nearby = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(narrow)
    two = plain.transform(points)
    places = {"pca 1": two[:, 0], "pca 2": two[:, 1]}
    places |= {"t-sne 1": nearby[:, 0].astype(float), "t-sne 2": nearby[:, 1].astype(float)}
    explained = float(plain.explained_variance_ratio_.sum())
    return _Map(about.assign(**places), [str(name) for name in about], explained)


def agreement(about: DataFrame, vectors: NDArray[Any]) -> Iterator[Row]:
    """Yield how often the nearest others are alike, for everything that is known in words.

    Args:
        about: a row a point.
        vectors: (N, D).
    """
    import numpy as np

    points = _standardised(vectors)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.where(length > 0, length, 1)
    nearest = np.concatenate([_nearest(points, start) for start in range(0, len(points), 1024)])
    for name, values in about.items():
        if values.dtype.kind in "fiu":
            continue
        codes = np.unique(values.astype(str), return_inverse=True)[1]
        if codes.max() + 1 == len(codes):
            continue  # each point has one of its own
        alike = (codes[nearest] == codes[:, None]).mean()
        counts = np.bincount(codes)
        chance = (counts * (counts - 1)).sum() / (len(codes) * (len(codes) - 1))
        yield {
            f"same as the {NEIGHBOURS} nearest": str(name),
            "share": float(alike),
            "by chance": float(chance),
            "different values": len(counts),
        }


def _nearest(points: NDArray[np.float64], start: int) -> NDArray[np.int64]:
    """Return the numbers of the nearest others of some points."""
    import numpy as np

    some = points[start : start + 1024]
    cosine = some @ points.T
    cosine[np.arange(len(some)), start + np.arange(len(some))] = -np.inf
    found: NDArray[np.int64] = np.argpartition(-cosine, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    return found


def _row(point: Mapping[Any, Any]) -> Row:
    return {str(name): value for name, value in point.items()}


def _caption(stored: Stored, of: Of, made: _Map) -> str:
    result = stored.entry.result
    what = (
        "mean over time and layers of what the encoder gives of each utterance"
        if of == "utterances"
        else "vector of each speaker, of the first fold and seed"
    )
    return (
        f"Run {result.digest[:8]} ({result.labels.upstream} {result.labels.weights}, "
        f"{result.benchmark.name}): {what}, {len(made.points)} points, standardised. Above, the "
        f"two first principal components ({made.explained:.0%} of the variance); below, t-SNE "
        f"(perplexity {min(_PERPLEXITY, (len(made.points) - 1) / 3):.0f}, from the principal "
        "components), which shows who is near, not how far. The table: how often the nearest "
        "others by cosine are alike."
    )


def _draw(figure: Figure, made: _Map) -> None:
    figure.set_size_inches(3.4 * len(made.known), 6.8)
    grid = figure.subplots(2, len(made.known), squeeze=False)
    for column, name in enumerate(made.known):
        for row, (method, title) in enumerate({"pca": "PCA", "t-sne": "t-SNE"}.items()):
            axes = grid[row, column]
            x, y = (made.points[f"{method} {number}"] for number in (1, 2))
            _points(axes, x, y, made.points[name])
            axes.set(xticks=[], yticks=[], title=f"{title}, by {name}")


def _points(axes: Axes, x: Series[float], y: Series[float], values: Series[Any]) -> None:
    size = max(3.0, 18 - len(x) / 200)
    if values.dtype.kind in "fiu":
        drawn = axes.scatter(x, y, s=size, c=values, cmap="viridis", alpha=0.7, lw=0)
        axes.figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.7)
        return
    names = sorted(set(values.astype(str)))
    for name, colour in _colours(names).items():
        own = (values.astype(str) == name).to_numpy()
        axes.scatter(x[own], y[own], s=size, color=colour, alpha=0.7, lw=0, label=name)
    if len(names) <= _NAMED:
        # below, where it hides no points
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01), "ncols": 3}
        axes.legend(fontsize=6, markerscale=1.5, frameon=False, **place)


def _colours(names: list[str]) -> Mapping[str, Any]:
    import matplotlib as mpl

    if len(names) <= len(COLOURS):
        return dict(zip(names, COLOURS, strict=False))
    wheel = mpl.colormaps["hsv"]
    return {name: wheel(number / len(names)) for number, name in enumerate(names)}
