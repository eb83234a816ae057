"""A corpus as large as MSP-Podcast, timed: `pytest -m slow tests/benchmarks/test_size.py -s`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import Classification
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.auditing.sharing import shares
from serbench.benchmarks.splitting import hashes, protocols
from serbench.scoring.scores import score

ROWS, SPEAKERS = 60_000, 1_400
TASK = Classification(tuple("abcdefgh"))
SECONDS = 120  # of each step, on a machine that does other things as well; minutes without care


def large() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    speakers = np.sort(draw.integers(0, SPEAKERS, ROWS))
    table = pd.DataFrame({"utterance": [f"u{i:06d}" for i in range(ROWS)]})
    return table.assign(
        speaker=[f"{speaker:04d}" for speaker in speakers],
        session=None,
        gender=np.where(speakers % 2, "female", "male"),
        text=[f"line {i % 5000}" for i in range(ROWS)],
        emotion=draw.choice(list(TASK.labels), ROWS),
        recording=[f"{i:064x}" for i in range(ROWS)],
        copy="",
    )


def timed(what: str, work: Callable[[], object]) -> object:
    start = time.monotonic()
    made = work()
    took = time.monotonic() - start
    print(f"{what:10} {took:6.1f} s")  # noqa: T201
    assert took < SECONDS
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["speaker_folds", "leave_one_speaker_out"])
def test_a_large_corpus_is_split_audited_hashed_and_scored_in_seconds(name):
    table, protocol = large(), protocols.make(name)
    folds = timed("split", lambda: protocol.split(table, TASK))
    found = timed("audit", lambda: audit_folds(table, folds, protocol, TASK))
    # one speaker may lack a class, which is a warning
    assert {each.kind for each in found} <= {"absent_class"}
    timed("shares", lambda: shares(table, folds))
    ids, truths = hashes.id_lines(table), hashes.truth_lines(table, TASK)
    timed("ids", lambda: [hashes.fold_hash(ids, fold) for fold in folds])
    timed("truths", lambda: [dict(hashes.part_truths(truths, fold)) for fold in folds])
    given = table[["utterance", "speaker"]].assign(fold="", seed=0, truth=table["emotion"])
    given["prediction"] = table["emotion"]
    for fold in folds:
        given.loc[fold.test, "fold"] = fold.name
    timed("score", lambda: score(TASK, given))


def test_lines_that_are_sorted_once_have_the_digests_of_each_part():
    table = large().iloc[::600].reset_index(drop=True)
    rows = np.random.default_rng(1).permutation(len(table))[:37]

    assert hashes.id_lines(table).digest(rows) == hashes.part_hash(table, rows)
