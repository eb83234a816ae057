"""What a corpus holds, in the lines that stand above its findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from serbench.benchmarks import UNLABELLED, Distribution, Task
from serbench.benchmarks.reading.layout import LEFT_OUT
from serbench.benchmarks.reading.names import unknown
from serbench.benchmarks.splitting.splits import natural

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_FEW = 12


def summary(table: DataFrame, task: Task) -> Iterator[tuple[str, str]]:
    """Yield a word and what is said of it, so that lost rows and doubled speakers catch the eye.

    Args:
        table: of a `CorpusAudit`.
        task: what is predicted.
    """
    hours = table["seconds"].sum() / 3600
    yield "utterances", f"{len(table)}, {hours:.2f} h"
    if left := table.attrs.get(LEFT_OUT):
        words = ", ".join(f"{word} {count}" for word, count in left.items())
        yield "left out", f"{sum(left.values())}: {words}"
    if count := int((table["split"] == UNLABELLED).sum()):
        yield "unlabelled", f"{count}, which nothing is learnt from or scored on"
    yield from _people(table)
    sessions = table["session"].dropna().nunique()
    yield "sessions", str(sessions) if sessions else "none are given"
    if isinstance(task, Distribution):
        means = table[[*task.columns]].astype(float).mean()
        yield "shares", ", ".join(f"{n} {m:.2f}" for n, m in zip(task.labels, means, strict=True))
    else:
        for column in task.columns:
            yield from _targets(table, column, task)
    heard = table[table["seconds"] > 0].sort_values("seconds", kind="stable")
    if len(heard):
        first, last = heard.iloc[0], heard.iloc[-1]
        yield (
            "length",
            f"{first['seconds']:.2f} s ({first['utterance']}) to {last['seconds']:.2f} s "
            f"({last['utterance']}), median {heard['seconds'].median():.2f} s",
        )
        yield "rates", counts(heard["rate"].map(lambda rate: f"{rate} Hz"))


def _people(table: DataFrame) -> Iterator[tuple[str, str]]:
    nobody = unknown(table["speaker"])
    people = table[~nobody]
    sizes = people["speaker"].value_counts()
    if len(sizes):
        each = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
        named = f": {', '.join(natural(sizes.index))}" if len(sizes) <= _FEW else ""
        yield "speakers", f"{len(sizes)} with {each} utterances{named}"
        genders = people.drop_duplicates("speaker")["gender"].fillna("not given")
        yield "gender", counts(genders)
    if nobody.any():
        unscored = int((nobody & (table["split"] == UNLABELLED)).sum())
        among = f", {unscored} of them without labels" if unscored else ""
        yield "unknown", f"{nobody.sum()} utterances have an unknown speaker{among}"


def _targets(table: DataFrame, column: str, task: Task) -> Iterator[tuple[str, str]]:
    values = table[column].dropna()
    if column in task.scales:
        numbers = values.astype(float)
        told = f"{numbers.min():g} to {numbers.max():g}, mean {numbers.mean():.2f}"
        yield column, f"{told} ± {numbers.std(ddof=0):.2f}"
    else:
        yield "classes", counts(values)


def counts(values: Series) -> str:
    """Return how often each value occurs, the commonest first: "anger 12, calm 8"."""
    found = values.astype(str).value_counts()
    more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
    return ", ".join(f"{name} {count}" for name, count in found.head(_FEW).items()) + more
