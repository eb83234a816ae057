"""The folds of a record are those of its split: beside other results, and by its own hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serbench.leaderboard import store
from serbench.leaderboard.agreement import disagreement
from serbench.leaderboard.comparable import groups
from serbench.leaderboard.record import FoldRecord, ProtocolRecord, Result, Split
from serbench.leaderboard.standing import standing
from serbench.leaderboard.store import Entry
from serbench.leaderboard.submissions import add
from serbench.leaderboard.table import rank
from serbench.leaderboard.verifying import verify, verify_all

from .result_samples import classified, record, scored

GOOD = classified(1.5)
TIED = {"labels": "aa" * 8, "speakers": "bb" * 8}


def nowhere(_: Result) -> None:
    """No corpus is at hand."""


def folds(**changes: Any) -> tuple[FoldRecord, ...]:
    """Return the folds of a record, the first of them changed."""
    first, *others = record().split.folds
    return (first.model_copy(update=changes), *others)


def forged(split: Split) -> Result:
    return record(split=split, recipe={"forged": True, "seeds": [0]})


def split(**changes: Any) -> Split:
    return record().split.model_copy(update=changes)


@pytest.mark.parametrize(
    "changes", [{"train": 1084}, {"valid": 0}, {"hash": "cd" * 8}, {"enrol": 3}], ids=str
)
def test_equal_hashes_with_other_folds_are_a_contradiction(tmp_path: Path, changes) -> None:
    honest = store.save(scored(record(), GOOD), GOOD, tmp_path / "mine")
    other = forged(split(folds=folds(**changes)))
    store.save(scored(other, GOOD), GOOD, tmp_path / "theirs")

    (found,) = add(tmp_path / "theirs", tmp_path / "mine", nowhere)
    assert found.problems == (
        f"other folds under the same hash of the split than in {honest.stem[:8]}; the corpus alone "
        "can tell which side is right (--data)",
    )

    store.save(scored(other, GOOD), GOOD, tmp_path / "mine")
    told = [*verify_all(tmp_path / "mine", nowhere)]
    assert all("other folds under the same hash" in each.disputed[0] for each in told)
    boards = rank(store.read_all(tmp_path / "mine").entries)
    assert len(boards) == 2, "neither is ranked beside the other"
    assert disagreement(Entry(record(), GOOD), Entry(other, GOOD))


def test_other_names_of_folds_are_a_contradiction() -> None:
    renamed = {"1": "2", "2": "1"}
    predictions = GOOD.assign(fold=GOOD["fold"].replace(renamed))
    named = tuple(
        fold.model_copy(update={"name": renamed.get(fold.name, fold.name)}) for fold in folds()
    )
    other = forged(split(folds=named))
    one, two = groups(
        standing(scored(each, table), table)
        for each, table in ((record(), GOOD), (other, predictions))
    )
    assert (
        one.rivals[0].what == two.rivals[0].what == ("other folds under the same hash of the split")
    )


def test_a_fold_that_is_there_twice_is_no_record() -> None:
    twice = split(folds=(*folds(), folds()[0])).model_dump()
    with pytest.raises(ValueError, match="a fold is there twice"):
        Split.model_validate(twice)


def test_the_order_of_folds_sets_nothing_apart() -> None:
    told = [each.model_copy(update={"truths": {"train": each.hash[:16]}}) for each in folds()]
    both = record(split=split(folds=(*told,), **TIED)), forged(split(folds=(*told[::-1],), **TIED))
    assert len(groups(standing(scored(each, GOOD), GOOD) for each in both)) == 1


def test_an_option_that_is_left_out_is_what_it_is_by_default() -> None:
    def on(**options: Any) -> Result:
        return record(protocol=ProtocolRecord(name="speaker_folds", options=options))

    usual = on(k=5), on(k=5, balance=["gender"], sessions="apart"), on()
    (same,) = groups(standing(scored(each, GOOD), GOOD) for each in usual)
    assert "(balance=gender, k=5, sessions=apart)" in same.title
    other = on(k=4)
    assert len(groups(standing(scored(each, GOOD), GOOD) for each in (*usual, other))) == 2


@pytest.mark.parametrize(("other", "count"), [("dd", 2), ("cc", 1)])
def test_truths_of_parts_are_compared_where_all_else_is_equal(other: str, count: int) -> None:
    def with_truths(said: str) -> Split:
        told = [each.model_copy(update={"truths": {"train": said * 8}}) for each in folds()]
        return split(folds=(*told,), **TIED)

    both = record(split=with_truths("cc")), forged(with_truths(other))
    found = groups(standing(scored(each, GOOD), GOOD) for each in both)
    assert len(found) == count


def test_an_older_record_may_know_less_of_its_folds() -> None:
    told = [each.model_copy(update={"truths": {"train": "cc" * 8}}) for each in folds()]
    both = record(split=split(folds=(*told,), **TIED)), forged(split())
    assert len(groups(standing(scored(each, GOOD), GOOD) for each in both)) == 1


def test_the_hash_of_one_fold_is_that_of_the_split(tmp_path: Path) -> None:
    whole = GOOD.assign(fold="1")
    (merged, *_) = folds(test=len(GOOD), hash="12" * 8)
    trained = record().training[:1]
    other = record(split=split(folds=(merged,)), training=trained)
    path = store.save(scored(other, whole), whole, tmp_path)
    assert verify(path, nowhere).problems == (
        "its split has the hash abababab, but its one fold, '1', has 12121212, and the two must be "
        "equal",
    )
    honest = record(split=split(folds=(merged,), hash=merged.hash), training=trained)
    path = store.save(scored(honest, whole), whole, tmp_path)
    assert verify(path, nowhere).problems == ()
