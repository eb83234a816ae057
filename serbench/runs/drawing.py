"""Plots of a corpus: how long, which labels, who, and who else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serbench.benchmarks.auditing.describing import demographics, quoted
from serbench.benchmarks.reading.names import unknown
from serbench.benchmarks.splitting.splits import natural
from serbench.durable import writable
from serbench.runs.lettering import lettered

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    from serbench.benchmarks import Benchmark

_TITLES = ("durations", "labels", "speakers")
_SIZE = (6.4, 4.0)  # inches
_NAMED = 40  # bars that can have their names
_LETTERS = 28  # of a name that is drawn
_LONGEST = 40  # letters of a column in the name of a file
_COLOUR = "#3b6ea5"


class _Plot(NamedTuple):
    """What is drawn.

    title: what is counted; in the name of the file, too.
    values: (N,), one an utterance or a speaker.
    counted: what there are so many of.
    draw: how.
    """

    title: str
    values: Series
    counted: str
    draw: Callable[[Any, _Plot, Callable[[str], str]], None]

    @property
    def texts(self) -> list[str]:
        """All that may be written beside the title."""
        return [] if self.values.dtype.kind == "f" else [*map(str, self.values.unique())]


def draw(table: DataFrame, benchmark: Benchmark, folder: Path) -> Iterator[Path]:
    """Draw a corpus into PNG files, and yield each.

    Args:
        table: of a `CorpusAudit`.
        benchmark: whose it is.
        folder: made if need be.

    Raises:
        SerbenchError: the folder cannot be written to.
    """
    writable(folder)
    # there may be nothing to draw, such as of speakers whom nobody knows
    plots = [plot for plot in _plots(table, benchmark) if len(plot.values)]
    written = [benchmark.name, *(text for plot in plots for text in (plot.title, *plot.texts))]
    with lettered(written) as drawable:
        for name, plot in zip(_files(plot.title for plot in plots), plots, strict=True):
            path = folder / f"{benchmark.name}-{name}.png"
            title = drawable(f"{benchmark.name}: {plot.title}")
            yield _drawn(path, title, plot, drawable)


def _plots(table: DataFrame, benchmark: Benchmark) -> Iterator[_Plot]:
    known = table[~unknown(table["speaker"])]
    yield _Plot("durations", table["seconds"].dropna(), "utterances", _durations)
    for column in benchmark.task.columns:
        if column in benchmark.task.scales:
            values = table[column].astype(float).dropna()
            yield _Plot(quoted(column, _TITLES), values, "utterances", _histogram)
        else:
            yield _Plot("labels", table[column].dropna(), "utterances", _bars)
    yield _Plot("speakers", known["speaker"], "utterances of a speaker", _bars)
    people = known.drop_duplicates("speaker")
    for column in demographics(table):
        named = people[column].fillna("?").astype(str)
        yield _Plot(quoted(column, _TITLES), named, "speakers", _bars)


def _files(titles: Iterable[str]) -> Iterator[str]:
    """Yield names for files, different ones wherever they lie."""
    taken: set[str] = set()
    for title in titles:
        stem = re.sub(r"[^\w.]+", "-", title).strip("-.")[:_LONGEST] or "column"
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        yield name


def _drawn(path: Path, title: str, plot: _Plot, drawable: Callable[[str], str]) -> Path:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    plot.draw(axes, plot, drawable)
    axes.set_title(title, loc="left", wrap=True)
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    return path


def _durations(axes: Any, plot: _Plot, drawable: Callable[[str], str]) -> None:
    _histogram(axes, plot._replace(title="seconds"), drawable)
    median = plot.values.median()
    axes.axvline(median, color="black", linestyle="--", label=f"median {median:.2f} s")
    axes.figure.legend(loc="outside lower center", frameon=False)  # where it hides no bars


def _histogram(axes: Any, plot: _Plot, drawable: Callable[[str], str]) -> None:
    axes.hist(plot.values, bins=40, color=_COLOUR)
    axes.set_xlabel(drawable(plot.title))
    axes.set_ylabel(plot.counted)


def _bars(axes: Any, plot: _Plot, drawable: Callable[[str], str]) -> None:
    counts = plot.values.astype(str).value_counts()
    axes.set_ylabel(plot.counted)
    if len(counts) > _NAMED:
        axes.bar(range(len(counts)), counts.to_numpy(), color=_COLOUR)
        axes.set_xlabel(f"{len(counts)} of them, the largest first")
        axes.set_xticks([])
        return
    counts = counts[natural(counts.index)]
    axes.bar(range(len(counts)), counts.to_numpy(), color=_COLOUR)
    names = [_short(drawable(name)) for name in counts.index]
    turned = max(map(len, names)) * len(names) > 60
    axes.set_xticks(range(len(names)), names, rotation=90 if turned else 0)


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
