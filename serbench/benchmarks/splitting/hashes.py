"""Names of splits: equal hashes mean the same utterances in the same parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from serbench.benchmarks import Fold, Rows

if TYPE_CHECKING:
    from pandas import DataFrame


def parts(fold: Fold) -> list[tuple[str, Rows]]:
    """Return the parts of a fold by name, as they are learnt from, chosen by and tested."""
    return [("train", fold.train), ("valid", fold.valid), ("test", fold.test)]


def part_hash(table: DataFrame, rows: Rows) -> str:
    """Return 16 hex digits of the SHA-256 over the sorted utterance ids, joined by newlines."""
    return _hash(sorted(table["utterance"].iloc[rows].astype(str)))


def split_hash(table: DataFrame, folds: Fold | Sequence[Fold]) -> str:
    """Return 16 hex digits for a fold, or for all folds: equal hashes mean the same split.

    That of a fold is the hash of the `part_hash` of train, valid and test; that of several is
    the hash of theirs, in order. The order of the rows does not matter.
    """
    if isinstance(folds, Fold):
        return _hash(part_hash(table, rows) for _, rows in parts(folds))
    return _hash(split_hash(table, fold) for fold in folds)


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
