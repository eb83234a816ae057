"""What the parts of folds have in common, in numbers: the rest that no protocol promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from serbench.benchmarks import Fold, Rows, Task
from serbench.benchmarks.auditing.describing import demographics, quoted
from serbench.benchmarks.reading.names import as_one, known_people
from serbench.benchmarks.splitting.hashes import parts
from serbench.benchmarks.splitting.sentences import sentence
from serbench.progress import Progress, Silent, each

WHAT = {
    "speaker": "speakers",
    "session": "sessions",
    "text": "sentences",
    "recording": "recordings",
    "copy": "near-copies",
}
"""Columns that parts may share values of, and what these are called."""

_OWN = ("fold", "train", "valid", "test", "unlabelled", "speakers", "labels")
_PAIRS = (("test", "train"), ("test", "valid"), ("valid", "train"))


class Shared(NamedTuple):
    """How much of a part has something that is in another part, too.

    what: a key of `WHAT`.
    part: whose utterances.
    other: where they have it, too.
    share: of the part's utterances, 0 to 1; mean of folds.
    """

    what: str
    part: str
    other: str
    share: float


def shared(
    table: DataFrame, folds: Sequence[Fold], progress: Progress | None = None
) -> list[Shared]:
    """Return what each part shares with another, for all columns that say anything.

    Args:
        table: of a `CorpusAudit`.
        folds: row numbers of this table.
        progress: advances by one a fold.
    """
    codes = {what: found for what in WHAT if (found := _codes(table, what)) is not None}
    shares: dict[tuple[str, str, str], list[float]] = {}
    for fold in each(progress or Silent(), "compare parts of folds", folds):
        rows = dict(parts(fold))
        for what, own in codes.items():
            held = {part: own[numbers] for part, numbers in rows.items()}
            there = {part: _there(values, own.max(initial=0)) for part, values in held.items()}
            for part, other in _PAIRS:
                share = float(there[other][held[part]].mean()) if len(held[part]) else 0.0
                shares.setdefault((what, part, other), []).append(share)
    return [Shared(*key, float(np.mean(values))) for key, values in shares.items()]


def shares(
    table: DataFrame, folds: Sequence[Fold], progress: Progress | None = None
) -> dict[str, float]:
    """Return the same for a record: "text: test in train" to a share; what is 0 is left out."""
    return {
        f"{found.what}: {found.part} in {found.other}": round(found.share, 4)
        for found in shared(table, folds, progress)
        if found.share > 0
    }


def imbalance(table: DataFrame, folds: Sequence[Fold], task: Task) -> list[Mapping[str, object]]:
    """Return one row a fold: its parts, its speakers, and how its test part differs in make-up.

    Of several tests each has its size, by its name; so has what is predicted and not scored.
    `labels` is the largest difference between the share of a label (of a third of the values) in
    the test part and in the corpus, in percentage points; by their names, the same of gender, age
    group and whatever else the corpus says of people.
    """
    strata = task.strata(table)
    told = {column: pd.factorize(table[column])[0] for column in demographics(table)}
    people = known_people(table["speaker"])
    return [
        {
            "fold": fold.name,
            "train": len(fold.train),
            "valid": len(fold.valid),
            "test": len(fold.test),
            **{name: len(rows) for name, rows in fold.tests.items()},
            **({"unlabelled": len(fold.unlabelled)} if len(fold.unlabelled) else {}),
            "speakers": "/".join(
                str(people.iloc[rows].nunique()) for rows in (fold.train, fold.valid, fold.test)
            ),
            "labels": max(_difference(codes, fold.test) for codes in strata),
        }
        | {
            quoted(column, (*_OWN, *fold.tests)): _difference(codes, fold.test)
            for column, codes in told.items()
        }
        for fold in folds
    ]


def _codes(table: DataFrame, what: str) -> NDArray[np.int64] | None:
    """Return (N,) the number of each row's value, -1 for none; None if no row has one."""
    if what not in table:
        return None
    values: Series = table[what]
    if what == "speaker":
        values = known_people(values)
    if what == "session":
        values = as_one(values)
    if what == "text":
        values = values.map(sentence, na_action="ignore")
    codes = pd.factorize(values.mask(values == ""))[0].astype(np.int64)
    return codes if (codes >= 0).any() or what == "copy" else None


def _there(codes: NDArray[np.int64], highest: int) -> NDArray[np.bool_]:
    """Return (highest + 2,) which codes occur; the last stands for -1, which is none."""
    there = np.zeros(highest + 2, dtype=np.bool_)
    there[codes] = True
    there[-1] = False
    return there


def _difference(codes: NDArray[np.int64], rows: Rows) -> float:
    if (codes < 0).all():
        return float("nan")
    size = codes.max() + 1
    here, everywhere = (np.bincount(c[c >= 0], minlength=size) for c in (codes[rows], codes))
    difference = here / max(1, here.sum()) - everywhere / everywhere.sum()
    return float(100 * np.abs(difference).max())
