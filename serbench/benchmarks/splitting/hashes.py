"""Names of splits and of what is in them: equal hashes mean the same in the same place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from serbench.benchmarks import Fold, Rows, Task
from serbench.digests import digest_rows, rows_of

if TYPE_CHECKING:
    from pandas import DataFrame


def parts(fold: Fold) -> list[tuple[str, Rows]]:
    """Return the parts of a fold by name: learnt from, chosen by, tested, and enrolled if any."""
    found = [("train", fold.train), ("valid", fold.valid), ("test", fold.test)]
    return found + ([("enrol", fold.enrol)] if len(fold.enrol) else [])


class Lines:
    """Lines of a table, sorted once for the digests of any number of parts of it.

    Args:
        lines: one a row.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        order = sorted(range(len(lines)), key=lines.__getitem__)
        encoded = [f"{lines[row]}\n".encode() for row in order]
        self._text = memoryview(b"".join(encoded))
        self._starts = np.cumsum([0, *map(len, encoded)])
        self._rank = np.empty(len(lines), np.int64)
        self._rank[order] = np.arange(len(lines))

    def digest(self, rows: Rows) -> str:
        """Return 16 hex digits of the SHA-256 over the sorted lines of rows, as `digest_rows`."""
        wanted = np.zeros(len(self._rank) + 2, np.int8)
        wanted[self._rank[rows] + 1] = 1
        # lines that follow each other are hashed as one
        changes = self._starts[np.flatnonzero(np.diff(wanted))].reshape(-1, 2).tolist()
        text = b"".join(self._text[start:end] for start, end in changes)
        return hashlib.sha256(text.removesuffix(b"\n")).hexdigest()[:16]


def id_lines(table: DataFrame) -> Lines:
    """Return the ids of a table, for `split_hash`."""
    return Lines(table["utterance"].astype(str).tolist())


def truth_lines(table: DataFrame, task: Task) -> Lines:
    """Return the ids, speakers and truths of a table, for `part_truths`."""
    return Lines(rows_of(table["utterance"], table["speaker"], *truths(table, task)))


def part_hash(table: DataFrame, rows: Rows) -> str:
    """Return 16 hex digits of the SHA-256 over the sorted utterance ids, joined by newlines."""
    return digest_rows(table["utterance"].iloc[rows].astype(str))


def split_hash(table: DataFrame, folds: Fold | Sequence[Fold]) -> str:
    """Return 16 hex digits for a fold, or for all folds: equal hashes mean the same split.

    That of a fold is the hash of the `part_hash` of train, valid, test (or each of several tests)
    and what is enrolled, if anything is; that of several folds is the hash of theirs, in order. The
    order of the rows does not matter.
    """
    ids = id_lines(table)
    if isinstance(folds, Fold):
        return fold_hash(ids, folds)
    return together(fold_hash(ids, fold) for fold in folds)


def fold_hash(ids: Lines, fold: Fold) -> str:
    """Return the `split_hash` of one fold, of the `id_lines` of its table."""
    tests = [*fold.tests.values()] or [fold.test]
    given = [fold.enrol] if len(fold.enrol) else []
    return _hash(ids.digest(rows) for rows in (fold.train, fold.valid, *tests, *given))


def together(hashes: Iterable[str]) -> str:
    """Return the `split_hash` of several folds, of the hash of each."""
    return _hash(hashes)


def contents(table: DataFrame, task: Task) -> dict[str, str]:
    """Return 16 hex digits for the ids of a table, and for each thing that is tied to them.

    Args:
        table: the utterances, with `recording` (SHA-256 of the samples) if the audio was read.
        task: what is predicted.

    Returns:
        `ids`, `audio` if it was read, `speakers`, `labels` and `texts`. The order of the rows does
        not matter.
    """
    ids = table["utterance"]
    tied: dict[str, list[Any]] = {
        **({"audio": [table["recording"]]} if "recording" in table else {}),
        "speakers": [table["speaker"]],
        "labels": truths(table, task),
        "texts": [table["text"].fillna("")],
    }
    found = {name: digest_rows(rows_of(ids, *columns)) for name, columns in tied.items()}
    return {"ids": digest_rows(ids)} | found


def part_truths(lines: Lines, fold: Fold) -> Iterator[tuple[str, str]]:
    """Yield each part of a fold with 16 hex digits for its ids, speakers and truths.

    These are the columns `utterance`, `speaker` and of the truths as predictions have them, so that
    predictions can be compared with what the corpus said.

    Args:
        lines: the `truth_lines` of its table.
        fold: of that table.
    """
    for name, rows in parts(fold):
        yield name, lines.digest(rows)


def truths(table: DataFrame, task: Task) -> list[list[str | float]]:
    """Return the truths of a table, in the columns that predictions have."""
    unscored = np.zeros((len(table), len(task.outputs)))
    told = task.predicted(table, unscored)
    return [list(told[name]) for name in task.truths]


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
