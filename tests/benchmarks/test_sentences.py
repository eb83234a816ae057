"""Sentences apart, and clips at random: what the folds promise, and what they leak on purpose."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from sklearn.model_selection import KFold

from serbench.benchmarks import Classification, Fold, Protocol, emodb
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.splitting.sentences import sentence
from serbench.errors import SerbenchError

CLASSES = Classification(("angry", "calm"))


def spoken(speakers: int, sentences: int, *, alone: int = 0) -> DataFrame:
    """Return a corpus in which all say all sentences in both emotions, and some of their own."""
    rows = [(s, f"Sentence {t}.") for s in range(speakers) for t in range(sentences)]
    rows += [(s, f"only {s} says {t}") for s in range(speakers) for t in range(alone)]
    both = [(s, text, e) for s, text in rows for e in CLASSES.labels]
    return DataFrame(
        {
            "utterance": [f"s{s}-{text}-{e}" for s, text, e in both],
            "speaker": [f"s{s}" for s, _, _ in both],
            "session": None,
            # as different hands write it
            "text": [text.upper() if s % 2 else text for s, text, _ in both],
            "emotion": [e for _, _, e in both],
        }
    )


def common(table: DataFrame, fold: Fold, column: str) -> set[str]:
    """Return what two parts of a fold have both."""
    told = table[column].map(sentence) if column == "text" else table[column]
    sets = [set(told.iloc[rows]) for rows in (fold.train, fold.valid, fold.test)]
    return set().union(*(one & other for one, other in combinations(sets, 2)))


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 9), st.integers(3, 9), st.integers(0, 3), st.data())
def test_neither_speaker_nor_sentence_is_in_two_parts_and_all_are_tested_once(
    speakers: int, sentences: int, alone: int, data: Any
) -> None:
    table = spoken(speakers, sentences, alone=alone)
    k, sets = data.draw(st.integers(3, speakers)), data.draw(st.integers(3, sentences))
    protocol = protocols.sentence_folds(k=k, sentences=sets)
    folds = protocol.split(table, CLASSES)
    assert len(folds) == k * sets
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(table)))
    for fold in folds:
        assert not common(table, fold, "speaker")
        assert not common(table, fold, "text")
    assert [f for f in audit_folds(table, folds, protocol, CLASSES) if f.severity == "error"] == []


def test_what_one_speaker_alone_says_is_not_lost_for_training() -> None:
    table = spoken(6, 3, alone=4)
    own = table.text.str.startswith(("only", "ONLY")).to_numpy()
    for fold in protocols.sentence_folds(k=3, sentences=3).split(table, CLASSES):
        assert own[fold.train].sum() == 2 * 4 * 2  # all that the two speakers left say


@pytest.mark.parametrize("knows", ["sentences", "speakers"])
def test_controls_are_tested_on_the_same_and_learn_from_as_many_of_each_label(knows: Any) -> None:
    table = spoken(8, 6)
    strict = protocols.sentence_folds(k=4, sentences=3).split(table, CLASSES)
    protocol = protocols.sentence_folds(k=4, sentences=3, knows=knows)
    folds = protocol.split(table, CLASSES)
    for fold, apart in zip(folds, strict, strict=True):
        np.testing.assert_array_equal(fold.test, apart.test)
        np.testing.assert_array_equal(fold.valid, apart.valid)
        counts = [table.emotion.iloc[f.train].value_counts().to_dict() for f in (fold, apart)]
        assert counts[0] == counts[1]
        assert common(table, fold, "text")
        assert bool(common(table, fold, "speaker")) == (knows == "speakers")
    assert protocol.speaker_dependent == (knows == "speakers")
    again = protocol.split(table.iloc[::-1].reset_index(drop=True), CLASSES)
    names = [set(table.utterance.iloc[f.train]) for f in folds]
    turned = table.utterance[::-1].reset_index(drop=True)
    assert names == [set(turned.iloc[f.train]) for f in again]


def test_the_audit_finds_a_sentence_on_both_sides_of_a_promise() -> None:
    table = spoken(6, 3)
    parts = [table.index[table.speaker.isin(who)].to_numpy() for who in (["s0"], ["s1"], ["s2"])]
    folds = [Fold("own", *parts)]
    protocol = Protocol("own", lambda *_: folds, apart=frozenset({"text"}))
    found = [f for f in audit_folds(table, folds, protocol, CLASSES) if f.severity == "error"]
    assert {f.kind for f in found} == {"shared_text"}
    assert "train and test share 3 sentences (sentence 0, " in found[1].message


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (spoken(4, 0, alone=3), {"k": 3}, "no sentence is said by two speakers"),
        (spoken(4, 4), {"k": 3, "sentences": 5}, "there are 4; .*protocol.sentences=4"),
        (spoken(4, 2), {"k": 3, "sentences": 3}, "three parts need 3; use speaker_folds"),
        (spoken(4, 3).assign(text=None), {"k": 3}, "needs the column 'text'"),
        (
            spoken(3, 3)[lambda t: (t.speaker != "s0") | (t.text == "Sentence 0.")],
            {"k": 3, "sentences": 3},
            "leave nothing for test; ask for fewer sets",
        ),
    ],
)
def test_what_cannot_be_says_so(table: DataFrame, options: Any, message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        protocols.sentence_folds(**options).split(table.reset_index(drop=True), CLASSES)


def test_random_clips_are_those_of_mteb_and_marked() -> None:
    table = spoken(5, 5)
    protocol = protocols.random_clips()
    folds = protocol.split(table, CLASSES)
    ids = np.sort(table.utterance.to_numpy(dtype=str))
    theirs = [ids[test].tolist() for _, test in KFold(5, shuffle=True, random_state=42).split(ids)]
    assert [table.utterance.iloc[fold.test].tolist() for fold in folds] == theirs
    assert protocol.speaker_dependent
    assert all(common(table, fold, "speaker") and common(table, fold, "text") for fold in folds)
    with pytest.raises(SerbenchError, match="needs 5 utterances; there are 4"):
        protocol.split(table.head(4), CLASSES)


def test_emodb_has_ten_sentences_in_five_sets(corpora: Path) -> None:
    table = emodb.make().read(corpora / "emodb")
    folds = protocols.sentence_folds(balance=("gender",)).split(table, emodb.make().task)
    said = [set(table.text.iloc[fold.test]) for fold in folds]
    assert len(folds) == 25
    assert {len(each) for each in said} == {2}
