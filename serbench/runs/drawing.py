"""Plots of a corpus: how long, which labels, who, and who else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serbench.benchmarks.auditing.describing import demographics
from serbench.benchmarks.reading.names import unknown
from serbench.durable import writable

if TYPE_CHECKING:
    from pandas import DataFrame

    from serbench.benchmarks import Benchmark

_SIZE = (6.4, 4.0)  # inches
_NAMED = 40  # bars that can have their names
_COLOUR = "#3b6ea5"


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
    known = table[~unknown(table["speaker"])]
    plots: dict[str, Callable[[Any], None]] = {"durations": partial(_durations, table)}
    for column in benchmark.task.columns:
        if column in benchmark.task.scales:
            plots[column] = partial(_histogram, table[column].astype(float), column)
        else:
            plots["labels"] = partial(_bars, table[column], "utterances")
    plots["speakers"] = partial(_bars, known["speaker"], "utterances of a speaker")
    people = known.drop_duplicates("speaker")
    for column in demographics(table):
        plots[column] = partial(_bars, people[column].fillna("?"), "speakers")
    for name, plot in plots.items():
        yield _drawn(folder / f"{benchmark.name}-{name}.png", f"{benchmark.name}: {name}", plot)


def _drawn(path: Path, title: str, plot: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    plot(axes)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    return path


def _durations(table: DataFrame, axes: Any) -> None:
    _histogram(table["seconds"].dropna(), "seconds", axes)
    median = table["seconds"].median()
    axes.axvline(median, color="black", linestyle="--", label=f"median {median:.2f} s")
    axes.legend(frameon=False)


def _histogram(values: Any, name: str, axes: Any) -> None:
    axes.hist(values, bins=40, color=_COLOUR)
    axes.set_xlabel(name)
    axes.set_ylabel("utterances")


def _bars(values: Any, what: str, axes: Any) -> None:
    counts = values.astype(str).value_counts()
    axes.bar(range(len(counts)), counts.to_numpy(), color=_COLOUR)
    axes.set_ylabel(what)
    if len(counts) > _NAMED:
        axes.set_xlabel(f"{len(counts)} of them, the largest first")
        axes.set_xticks([])
        return
    turned = max(map(len, counts.index)) * len(counts) > 60
    axes.set_xticks(range(len(counts)), counts.index, rotation=90 if turned else 0)
