"""Enrolment: what is set aside of whom, and that the scored rest is the same whatever is given."""

from __future__ import annotations

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import UNKNOWN, Classification, Fold
from serbench.benchmarks.auditing.folds import enrolled_folds
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.splitting.enrolling import enrol
from serbench.benchmarks.splitting.hashes import split_hash
from serbench.errors import SerbenchError

TASK = Classification(("calm", "loud"))
CLIPS = {"a": 12, "b": 12, "c": 12, "d": 12, "e": 4, "f": 12}


@pytest.fixture
def table() -> DataFrame:
    """Return six speakers, one of few clips; ids in another order than as texts, rows in none."""
    rows = [(s, i) for s, count in CLIPS.items() for i in range(count)]
    made = DataFrame(
        {
            "utterance": [f"{s}_{i}" for s, i in rows],
            "speaker": [s for s, _ in rows],
            "session": None,
            "emotion": [TASK.labels[i % 2] for _, i in rows],
            "seconds": [1.0 + i for _, i in rows],
            "recording": [f"{s}{i}" for s, i in rows],
        }
    )
    return made.sample(frac=1, random_state=0, ignore_index=True)


def ids(table: DataFrame, rows: np.ndarray) -> set[str]:
    return {*table["utterance"].iloc[rows]}


@pytest.fixture
def folds(table: DataFrame) -> list[Fold]:
    return protocols.leave_one_speaker_out().split(table, TASK)


def test_the_first_clips_are_enrolled_in_natural_order(table: DataFrame, folds: list[Fold]) -> None:
    first = enrol(table, folds, 3, "clips", 10)[0]
    assert ids(table, first.enrol) == {"a_0", "a_1", "a_2"}
    # as texts, a_10 and a_11 would be among the first
    assert ids(table, first.test) == {"a_10", "a_11"}
    assert np.array_equal(first.train, folds[0].train)
    assert np.array_equal(first.valid, folds[0].valid)


def test_seconds_are_taken_in_whole_clips(table: DataFrame, folds: list[Fold]) -> None:
    first = enrol(table, folds, 5.5, "seconds", 11)[0]
    assert ids(table, first.enrol) == {"a_0", "a_1", "a_2"}  # 1 + 2 + 3 s
    assert ids(table, first.test) == {f"a_{i}" for i in range(5, 12)}  # 15 s are aside


def test_the_rest_is_the_same_whatever_is_enrolled(table: DataFrame, folds: list[Fold]) -> None:
    several = [enrol(table, folds, amount, "clips", 5) for amount in (0, 2, 5)]
    for one, *others in zip(*several, strict=True):
        assert all(np.array_equal(one.test, other.test) for other in others)
        assert len(one.enrol) == 0
    hashes = {split_hash(table, each) for each in several}
    assert len(hashes) == 3  # what is enrolled is in the hash
    assert split_hash(table, folds) not in hashes


def test_a_speaker_of_few_clips_is_not_tested_and_this_is_said(
    table: DataFrame, folds: list[Fold]
) -> None:
    whole = protocols.speaker_folds(k=3).split(table, TASK)
    made, doubts = enrolled_folds(table, whole, TASK, 2, "clips", 4)
    assert "e" not in {*table["speaker"].iloc[np.concatenate([f.test for f in made])]}
    assert "e" not in {*table["speaker"].iloc[np.concatenate([f.enrol for f in made])]}
    (doubt,) = [each for each in doubts if each.kind == "too_few_to_enrol"]
    assert doubt.message.startswith("1 speaker has no more clips than are set aside and is not")
    assert "(e)" in doubt.message
    with pytest.raises(
        SerbenchError,
        match=r"'speaker e': nothing is left to score; enrol and set aside .* less",
    ):
        enrolled_folds(table, folds, TASK, 2, "clips", 4)


def test_a_recording_that_is_enrolled_and_scored_is_refused(
    table: DataFrame, folds: list[Fold]
) -> None:
    table.loc[table["utterance"] == "a_11", "recording"] = "a0"
    with pytest.raises(SerbenchError, match=r"both enrolled and scored \(a_0, a_11\)"):
        enrolled_folds(table, folds[:1], TASK, 2, "clips", 4)
    enrolled_folds(table, folds[:1], TASK, 0, "clips", 4)


def test_a_class_that_only_what_is_aside_has_is_told(table: DataFrame, folds: list[Fold]) -> None:
    later = table["utterance"].isin([f"a_{i}" for i in range(6, 12)])
    table.loc[later, "emotion"] = "calm"
    _, doubts = enrolled_folds(table, folds[:1], TASK, 2, "clips", 6)
    assert any("loud" in doubt.message for doubt in doubts)


def test_no_row_is_enrolled_and_in_another_part() -> None:
    with pytest.raises(SerbenchError, match="a row is in two parts"):
        Fold("f", np.array([0]), np.array([1]), np.array([2]), np.array([2]))


def test_unknown_speakers_are_scored_and_never_enrolled(
    table: DataFrame, folds: list[Fold]
) -> None:
    nobody = table["utterance"].isin(["a_0", "a_1", "a_2"])
    table.loc[nobody, "speaker"] = UNKNOWN
    (made,) = enrol(table, folds[:1], 2, "clips", 4)
    ids = table["utterance"]
    assert {*ids[nobody]} <= {*ids.iloc[made.test]}
    assert not {*ids[nobody]} & {*ids.iloc[made.enrol]}
    assert len(made.enrol) == 2
