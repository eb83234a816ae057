"""Folds with as many utterances of as many speakers, those who are tested among them or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from serbench.benchmarks import Fold, Rows, Task
from serbench.benchmarks.splitting import splits
from serbench.errors import SerbenchError

_NAME = "equal_amounts"


def equal_amounts(
    table: DataFrame,
    task: Task,
    folds: list[Fold],
    *,
    speakers: int,
    clips: int | None,
    dependent: bool,
    draw: int,
) -> list[Fold]:
    """Cut folds down to equal amounts of training data; the tested utterances are the same.

    Args:
        table: the utterances.
        task: whose labels the drawn utterances are balanced by.
        folds: of disjoint speakers.
        speakers: who are trained on, in each fold.
        clips: utterances of each; None: half of those of the speaker with fewest.
        dependent: whether the tested speakers are the first of them, with utterances that are
            tested in neither case.
        draw: seed.

    Raises:
        SerbenchError: there are not as many speakers or utterances.
    """
    who = table["speaker"].astype(str).to_numpy(dtype=object)
    drawn = _drawn(table, task, who, clips, draw)
    return [
        _cut(fold, who, drawn, speakers, dependent, np.random.default_rng([draw, number]))
        for number, fold in enumerate(folds)
    ]


def _drawn(
    table: DataFrame, task: Task, who: NDArray[np.object_], clips: int | None, draw: int
) -> dict[str, Rows]:
    """Return the utterances of each speaker that may be trained on, the same in all folds."""
    order = np.argsort(table["utterance"].to_numpy(dtype=str), kind="stable")
    strata = splits.stratum(table, task)
    own = {name: order[who[order] == name] for name in sorted(set(who))}
    fewest = min(own, key=lambda name: len(own[name]))
    clips = len(own[fewest]) // 2 if clips is None else clips
    if not 0 < clips < len(own[fewest]):
        msg = (
            f"protocol '{_NAME}' trains on {clips} of a speaker's utterances and tests others, but "
            f"'{fewest}' has {len(own[fewest])}; give other 'clips', or a corpus with more of each"
        )
        raise SerbenchError(msg)
    return {
        name: _spread(rows, strata, clips, np.random.default_rng([draw, number]))
        for number, (name, rows) in enumerate(own.items())
    }


def _spread(rows: Rows, strata: Rows, count: int, random: np.random.Generator) -> Rows:
    """Draw some rows, of each stratum as many as there are in proportion, within one."""
    shuffled = random.permutation(rows)
    ordered = shuffled[np.argsort(strata[shuffled], kind="stable")]
    places = (np.arange(count) + random.random()) * len(rows) / count
    return np.sort(ordered[places.astype(np.int64)])


def _cut(
    fold: Fold,
    who: NDArray[np.object_],
    drawn: dict[str, Rows],
    speakers: int,
    dependent: bool,
    random: np.random.Generator,
) -> Fold:
    tested, trained = (sorted(set(who[rows])) for rows in (fold.test, fold.train))
    # whoever is chosen is chosen of more speakers, too
    others = random.permutation(np.array(trained, dtype=object)).tolist()
    first = tested if dependent else []
    least, most = max(len(first), 1), len(first) + len(others)
    if not least <= speakers <= most:
        msg = (
            f"protocol '{_NAME}' is to train on {speakers} speakers in fold '{fold.name}'; give "
            f"'speakers' from {least} to {most}"
        )
        raise SerbenchError(msg)
    chosen = [*first, *others][:speakers]
    train = np.concatenate([drawn[name] for name in chosen])
    kept = np.concatenate([drawn[name] for name in tested])
    return Fold(fold.name, train, fold.valid, fold.test[~np.isin(fold.test, kept)])
