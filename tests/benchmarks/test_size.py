"""A corpus as large as MSP-Podcast, timed: `pytest -m slow tests/benchmarks/test_size.py -s`."""

from __future__ import annotations

import pickle
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import Chosen, Classification, Fold
from serbench.benchmarks.auditing.folds import audit_folds, doubts
from serbench.benchmarks.auditing.sharing import shares
from serbench.benchmarks.splitting import hashes, protocols
from serbench.errors import SerbenchError
from serbench.scoring.scores import score

ROWS, SPEAKERS = 60_000, 1_400
TASK = Classification(tuple("abcdefgh"))
SECONDS = 30  # of a core, for each step; minutes without care
MEGABYTES = 200  # for all of it; row numbers alone would take 700


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
    start = time.process_time()
    made = work()
    took = time.process_time() - start
    print(f"{what:10} {took:6.1f} s of a core")  # noqa: T201
    assert took < SECONDS
    return made


def peak() -> float:
    """Return the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", ["speaker_folds", "leave_one_speaker_out"])
def test_a_large_corpus_is_split_audited_hashed_and_scored_in_seconds(name):
    table, protocol = large(), protocols.make(name)
    before = peak()
    folds = timed("split", lambda: protocol.split(table, TASK))
    found = timed("audit", lambda: audit_folds(table, folds, protocol, TASK))
    # one speaker may lack a class, which is a warning
    assert {each.kind for each in found} <= {"absent_class"}
    timed("doubts", lambda: doubts(table, folds, protocol))
    timed("shares", lambda: shares(table, folds))
    ids, truths = hashes.id_lines(table), hashes.truth_lines(table, TASK)
    timed("ids", lambda: [hashes.fold_hash(ids, fold) for fold in folds])
    timed("truths", lambda: [dict(hashes.part_truths(truths, fold)) for fold in folds])
    given = table[["utterance", "speaker"]].assign(fold="", seed=0, truth=table["emotion"])
    given["prediction"] = table["emotion"]
    for fold in folds:
        given.loc[fold.test, "fold"] = fold.name
    timed("score", lambda: score(TASK, given))
    print(f"{'memory':10} {peak() - before:6.0f} MB")  # noqa: T201
    assert peak() - before < MEGABYTES


def test_lines_that_are_sorted_once_have_the_digests_of_each_part():
    table = large().iloc[::600].reset_index(drop=True)
    rows = np.random.default_rng(1).permutation(len(table))[:37]

    assert hashes.id_lines(table).digest(rows) == hashes.part_hash(table, rows)


def test_a_fold_that_is_kept_in_bits_is_that_of_its_rows():
    order = np.random.default_rng(2).permutation(37)
    masks = [np.arange(37) % 4 == part for part in (0, 1, 2)]
    kept = Fold("f", *(Chosen.of(order, mask) for mask in masks))
    for part, mask in zip(("train", "valid", "test"), masks, strict=True):
        assert getattr(kept, part).tolist() == order[mask].tolist()
    again = pickle.loads(pickle.dumps(kept)).but(
        enrol=order[masks[2]][:2], test=order[masks[2]][2:]
    )
    assert isinstance(vars(again)["train"], Chosen)
    assert again.train.tolist() == order[masks[0]].tolist()
    for overlap in (kept.valid, Chosen.of(order, masks[1])):
        with pytest.raises(SerbenchError, match="a row is in two parts"):
            kept.but(train=overlap)
