"""Enrolment: the first clips of each test speaker are set aside, and some of them are given away.

Adaptation and post-processors get them; only the rest is scored. As much is set aside whatever is
enrolled, so that results with 0, 5 and 20 clips are of the same test parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from serbench.benchmarks import Fold, Rows
from serbench.benchmarks.reading.names import unknown
from serbench.benchmarks.splitting.splits import natural
from serbench.benchmarks.tasks.findings import Finding, named

if TYPE_CHECKING:
    from pandas import DataFrame

Unit = Literal["clips", "seconds"]


def enrol(
    table: DataFrame, folds: Sequence[Fold], amount: float, unit: Unit, aside: float
) -> list[Fold]:
    """Return the folds with the first clips of each test speaker enrolled or set aside.

    First is what comes first in the natural order of the ids (2 before 10); where ids begin with
    the label, that may be clips of one label. Of seconds, clips are taken whole until there are as
    many. A speaker of whom nothing would be left to score is in
    neither part. Unknown speakers are scored and never enrolled.

    Args:
        table: the utterances; for seconds, with `seconds`.
        folds: of these.
        amount: what is enrolled, 0 or more; at most `aside`.
        unit: of both.
        aside: what is not scored, enrolled or not.
    """
    return [_enrolled(table, fold, amount, unit, aside) for fold in folds]


def _enrolled(table: DataFrame, fold: Fold, amount: float, unit: Unit, aside: float) -> Fold:
    nobody = unknown(table["speaker"]).to_numpy()[fold.test]
    given, scored = [fold.enrol], [fold.test[nobody]]
    for rows in _by_speaker(table, fold.test[~nobody]):
        sizes = np.ones(len(rows)) if unit == "clips" else table["seconds"].to_numpy()[rows]
        before = np.cumsum(sizes) - sizes
        rest = rows[before >= aside]
        if len(rest):
            given.append(rows[before < amount])
            scored.append(rest)
    kept = {name: _in_place(rows, scored) for name, rows in fold.tests.items()}
    test, enrol = _in_place(fold.test, scored), _in_place(fold.test, given)
    return fold.but(test=test, tests=kept, enrol=enrol)


def _by_speaker(table: DataFrame, rows: Rows) -> Iterator[Rows]:
    """Yield the rows of each speaker, the first first."""
    ids = table["utterance"].to_numpy(dtype=object)[rows].astype(str)
    place = {name: number for number, name in enumerate(natural(ids))}
    ordered = rows[np.argsort([place[name] for name in ids], kind="stable")]
    speakers = table["speaker"].to_numpy(dtype=object)[ordered].astype(str)
    for speaker in np.unique(speakers):
        yield ordered[speakers == speaker]


def _in_place(part: Rows, chosen: Sequence[Rows]) -> Rows:
    """Return some rows of a part in its order."""
    return part[np.isin(part, np.concatenate(chosen))]


def too_few(table: DataFrame, before: Sequence[Fold], after: Sequence[Fold]) -> list[Finding]:
    """Return, as a warning, who is not tested, as there is nothing but what is set aside.

    Args:
        table: the utterances.
        before: the folds without enrolment.
        after: the same with it.
    """
    speakers = table["speaker"].astype(str).to_numpy()
    tested, left = ({*speakers[np.concatenate([f.test for f in each])]} for each in (before, after))
    if not (lost := tested - left):
        return []
    have, are = ("speakers have", "are") if len(lost) > 1 else ("speaker has", "is")
    message = (
        f"{len(lost)} {have} no more clips than are set aside and {are} not tested "
        f"({named(lost)}); set less aside with enrol.aside"
    )
    return [Finding("too_few_to_enrol", "warning", message)]
