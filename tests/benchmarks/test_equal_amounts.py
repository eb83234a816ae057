"""Protocol `equal_amounts`: as much to train on, the same to test, the tested there or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import Classification, Fold
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError

TASK = Classification(("calm", "angry"))


def table(speakers: int = 12, clips: int = 12) -> DataFrame:
    return DataFrame(
        {
            "utterance": f"{s:02d}_{c:02d}",
            "speaker": f"{s:02d}",
            "session": None,
            "emotion": TASK.labels[c % 4 == 0],
        }
        for s in range(speakers)
        for c in range(clips + s % 3)
    )


def folds(corpus: DataFrame, **options: Any) -> list[Fold]:
    return protocols.equal_amounts(**{"k": 4, **options}).split(corpus, TASK)


def ids(corpus: DataFrame, rows: Any) -> set[str]:
    return set(corpus["utterance"].iloc[rows])


def test_both_cases_train_on_as_much_and_test_and_validate_on_the_same() -> None:
    corpus = table()
    for speakers in (3, 5, 6):
        without = folds(corpus, speakers=speakers)
        there = folds(corpus, speakers=speakers, dependent=True)
        for one, other in zip(without, there, strict=True):
            assert len(one.train) == len(other.train) == speakers * 6
            assert ids(corpus, one.test) == ids(corpus, other.test)
            assert ids(corpus, one.valid) == ids(corpus, other.valid)
            who = corpus["speaker"].to_numpy()
            tested, trained = {*who[one.test]}, {*who[other.train]}
            assert not tested & {*who[one.train]}
            assert tested <= trained
            assert len(trained) == speakers
            np.testing.assert_array_equal(
                np.unique(who[other.train], return_counts=True)[1], [6] * speakers
            )


def test_more_speakers_are_the_fewer_and_others() -> None:
    corpus = table()
    for dependent in (False, True):
        few, more = (folds(corpus, speakers=n, dependent=dependent) for n in (3, 6))
        for one, other in zip(few, more, strict=True):
            assert ids(corpus, one.train) < ids(corpus, other.train)


def test_the_order_of_rows_does_not_matter_and_labels_are_as_frequent_as_before() -> None:
    corpus = table()
    turned = corpus.sample(frac=1, random_state=1).reset_index(drop=True)
    for one, other in zip(folds(corpus), folds(turned), strict=True):
        assert ids(corpus, one.train) == ids(turned, other.train)
        angry = (corpus["emotion"].iloc[one.train] == "angry").groupby(corpus["speaker"]).sum()
        assert angry.isin([1, 2]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": 2, "dependent": True}, "give 'speakers' from 3 to 9"),
        ({"speakers": 7}, "give 'speakers' from 1 to 6"),
        ({"clips": 12}, "on 12 of a speaker's utterances and tests others, but '00' has 12"),
        ({"clips": 0}, "option 'clips' of protocol 'equal_amounts'"),
        ({"k": 99}, "^protocol 'equal_amounts' needs 99 "),
        ({"balance": ("age",)}, "^protocol 'equal_amounts' needs the column 'age'"),
    ],
)
def test_what_cannot_be_had_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        folds(table(), **options)


def test_tables_show_that_the_tested_speakers_are_trained_on() -> None:
    assert protocols.equal_amounts(dependent=True).speaker_dependent
    assert not protocols.equal_amounts().shares
