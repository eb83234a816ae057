"""Splitters give scikit-learn the very folds of a run, and refuse what a run refuses."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neighbors import KNeighborsClassifier

import serbench
from serbench.benchmarks import Classification, Fold, Regression, Rows
from serbench.benchmarks.splitting import protocols
from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs import recipe as recipes
from serbench.runs.corpus import Prepared, prepare

LABELS = ("neutral", "happy", "sad")
CLASSES = Classification(LABELS)
DIMENSIONS = Regression(("arousal", "valence"), 1, 7)
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("leave_one_session_out", {}),
    ("leave_one_speaker_out", {"sessions": "apart"}),
    ("leave_one_speaker_out", {"sessions": "validate"}),
    ("speaker_folds", {"k": 5, "balance": ["gender"]}),
    ("speaker_folds", {"k": 7, "sessions": "shared"}),
    ("speaker_dependent_random", {"k": 4, "seed": 3}),
    ("speaker_dependent_random", {"fractions": [0.6, 0.2, 0.2]}),
]


@pytest.fixture
def table() -> DataFrame:
    """Return 14 speakers in 7 dyads with unequal numbers of utterances, in no order."""
    rows = [(s, i) for s in range(14) for i in range(6 + s % 3)]
    made = DataFrame(
        {
            "utterance": [f"s{s}_{i}" for s, i in rows],
            "speaker": [f"s{s}" for s, _ in rows],
            "session": [f"d{s // 2}" for s, _ in rows],
            "gender": [("female", "male")[s % 5 % 2] for s, _ in rows],
            "emotion": [LABELS[(s + i) % 3] for s, i in rows],
            "arousal": [1.0 + (s + i) % 7 for s, i in rows],
            "valence": [1.0 + (3 * s + i * i) % 7 for s, i in rows],
            "recording": [hashlib.sha256(f"{row}".encode()).hexdigest() for row in rows],
        }
    )
    # an index as a selection from a larger table leaves it
    return made.sample(frac=1, random_state=0)


def same(found: list[Fold], expected: list[Fold]) -> None:
    assert [fold.name for fold in found] == [fold.name for fold in expected]
    for one, other in zip(found, expected, strict=True):
        for part in ("train", "valid", "test"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def rows(*parts: Rows) -> list[int]:
    return sorted(np.concatenate(parts).tolist())


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("task", [CLASSES, DIMENSIONS], ids=["classes", "dimensions"])
def test_folds_are_those_of_the_protocol(
    table: DataFrame, name: str, options: dict[str, Any], task: Any
) -> None:
    expected = protocols.make(name, **options).split(table, task)
    targets = table["emotion"] if task is CLASSES else table[["arousal", "valence"]]
    cv = serbench.splitter(name, **options)
    same(cv.folds(targets, table), expected)
    if name != "speaker_dependent_random":
        unnamed = cv.folds(targets, table.drop(columns="utterance"))
        for fold, other in zip(unnamed, expected, strict=True):
            assert rows(fold.train) == rows(other.train)
            assert rows(fold.valid) == rows(other.valid)
            assert rows(fold.test) == rows(other.test)


@pytest.fixture(scope="module")
def demo() -> dict[str, Prepared]:
    """Return the synthetic corpus as runs prepare it."""
    found = {}
    for protocol in ("leave_one_session_out", "leave_one_speaker_out", "speaker_folds"):
        parts = recipes.resolve_data({"benchmark": "demo", "protocol": protocol})
        benchmark = recipes.make_benchmark(parts[0])
        how = recipes.make_protocol(benchmark, parts[1])
        found[protocol] = prepare(
            benchmark, how, data=None, leave_out_broken=False, progress=Silent()
        )
    return found


@pytest.mark.parametrize(
    "name", ["leave_one_session_out", "leave_one_speaker_out", "speaker_folds"]
)
def test_folds_are_those_of_a_run_on_the_synthetic_corpus(
    demo: dict[str, Prepared], name: str
) -> None:
    table, folds = demo[name].table, demo[name].folds
    made = serbench.splitter(name)
    same(made.folds(table["emotion"], table), folds)
    few = table[["speaker", "session"]].to_numpy()
    plain = DataFrame(few, columns=["speaker", "session"])
    found = made.split(np.zeros(len(table)), table["emotion"].to_numpy(), plain)
    for (train, test), fold in zip(found, folds, strict=True):
        assert train.tolist() == rows(fold.train, fold.valid)
        assert test.tolist() == rows(fold.test)


def test_folds_are_those_of_a_run_on_real_speech(corpora: Path) -> None:
    parts = recipes.resolve_data({"benchmark": "emodb"})
    benchmark = recipes.make_benchmark(parts[0])
    how = recipes.make_protocol(benchmark, parts[1])
    made = prepare(benchmark, how, data=corpora, leave_out_broken=False, progress=Silent())
    cv = serbench.splitter("speaker_folds", k=5, balance=("gender",))
    same(cv.folds(made.table["emotion"], made.table), made.folds)


def test_speakers_alone_are_enough_where_there_are_no_sessions(table: DataFrame) -> None:
    alone = table.drop(columns=["session", "recording"])
    expected = protocols.speaker_folds(k=4).split(alone, CLASSES)
    cv = serbench.splitter("speaker_folds", k=4)
    pairs = cv.split(None, table["emotion"].tolist(), table["speaker"].tolist())
    assert [test.tolist() for _, test in pairs] == [rows(fold.test) for fold in expected]


def test_numbers_of_speakers_and_classes_are_names(table: DataFrame) -> None:
    cv = serbench.splitter("speaker_folds", k=4)
    people = table["speaker"].str[1:].astype(int)
    classes = table["emotion"].map(LABELS.index)
    same(
        cv.folds(classes.to_numpy(), people),
        cv.folds(table["emotion"], "s" + people.astype(str)),
    )


@pytest.mark.parametrize("valid", ["merged", "left_out", "tested"])
def test_the_validation_part_goes_where_it_is_told(table: DataFrame, valid: Any) -> None:
    cv = serbench.splitter("leave_one_session_out", valid=valid)
    folds = cv.folds(table["emotion"], table)
    for (train, test), fold in zip(cv.split(table, table["emotion"], table), folds, strict=True):
        expected = {
            "merged": (rows(fold.train, fold.valid), rows(fold.test)),
            "left_out": (rows(fold.train), rows(fold.test)),
            "tested": (rows(fold.train), rows(fold.valid)),
        }
        assert (train.tolist(), test.tolist()) == expected[valid]


def test_scikit_learn_trains_and_tests_on_these_rows(table: DataFrame) -> None:
    cv = serbench.splitter("speaker_folds", k=5)
    folds = cv.folds(table["emotion"], table)
    done = cross_validate(
        DummyClassifier(), table[["arousal"]], table["emotion"],
        groups=table, cv=cv, return_indices=True,
    )  # fmt: skip
    assert [test.tolist() for test in done["indices"]["test"]] == [rows(f.test) for f in folds]
    assert cv.get_n_splits(None, table["emotion"], table) == len(folds) == 5


def test_who_knows_the_speakers_gains_nothing(table: DataFrame) -> None:
    """Labels that are the speaker's own are learnt where speakers leak, and only there."""
    voice = table["speaker"].str[1:].astype(float).to_numpy()[:, None]
    label = np.where(voice[:, 0] % 2 == 0, "high", "low")
    model = KNeighborsClassifier(1)
    score = {
        name: cross_val_score(
            model, voice, label, groups=table, cv=serbench.splitter(name, k=5)
        ).mean()
        for name in ("speaker_folds", "speaker_dependent_random")
    }
    assert score["speaker_dependent_random"] == 1
    assert score["speaker_folds"] < 0.5, "the most similar one has the other label"


def test_settings_are_chosen_on_speakers_of_their_own(table: DataFrame) -> None:
    cv = serbench.splitter("speaker_folds", k=5, valid="tested")
    grid = {"n_neighbors": [1, 3]}
    search = clone(GridSearchCV(KNeighborsClassifier(), grid, cv=cv))
    search.fit(table[["arousal"]], table["emotion"], groups=table)
    assert search.n_splits_ == 5
    tested = [
        test for _, test in pickle.loads(pickle.dumps(cv)).split(None, table["emotion"], table)
    ]
    expected = [
        cross_val_score(
            KNeighborsClassifier(search.best_params_["n_neighbors"]),
            table[["arousal"]], table["emotion"], cv=[pair],
        )[0]
        for pair in cv.split(None, table["emotion"], table)
    ]  # fmt: skip
    assert search.best_score_ == pytest.approx(np.mean(expected))
    assert len(np.unique(np.concatenate(tested))) == len(table)


def refusal(table: DataFrame, name: str, y: Any = "emotion", **options: Any) -> str:
    y = table[y] if isinstance(y, str) else y
    with pytest.raises(SerbenchError) as caught:
        serbench.splitter(name, **options).split(table, y, table)
    return str(caught.value)


def test_a_speaker_on_both_sides_is_refused(table: DataFrame) -> None:
    moved = table.assign(session=[f"d{i % 5}" for i in range(len(table))])
    assert "train and test share" in refusal(moved, "leave_one_session_out")
    given = table.assign(split=[("train", "valid", "test")[i % 3] for i in range(len(table))])
    assert "train and valid share" in refusal(given, "corpus_split")


def test_a_session_or_recording_on_both_sides_is_refused(table: DataFrame) -> None:
    parts = table["speaker"].map(lambda name: ("train", "valid", "test")[int(name[1:]) % 3])
    assert "share 2 sessions" in refusal(table.assign(split=parts), "corpus_split")
    table["recording"] = ["same" if name.endswith("_0") else name for name in table["utterance"]]
    assert "share a recording" in refusal(table, "leave_one_session_out")


def test_a_class_that_nobody_teaches_is_refused_and_one_that_is_not_tested_is_told(
    table: DataFrame,
) -> None:
    rare = table["emotion"].where(table["emotion"].ne("sad") | table["speaker"].eq("s3"), "happy")
    assert "no utterance in train is labelled 'sad'" in refusal(table, "speaker_folds", rare)
    some = table["emotion"].where(table["emotion"].ne("sad") | table["session"].ne("d3"), "happy")
    cv = serbench.splitter("leave_one_session_out")
    with (
        pytest.warns(UserWarning, match="'session d3': no utterance in test is labelled 'sad'"),
        pytest.warns(UserWarning, match="'session d2': no utterance in valid is labelled 'sad'"),
    ):
        cv.split(table, some, table)


@pytest.mark.parametrize(
    ("y", "groups", "message"),
    [
        (None, ["a", "b"], "give y="),
        (["x", "y"], None, "a splitter of serbench keeps speakers apart: give groups="),
        (["x", "y"], ["a", "b", "c"], "y has 2 rows and groups has 3"),
        (["x", "y"], DataFrame({"speakr": ["a", "b"]}), "did you mean 'speakr'?"),
        (["x", "y"], [["a"], ["b"]], "groups has 2 axes"),
        (["x", None], ["a", "b"], "no label in 'y': 1 utterance (1)"),
        ([1.0, np.nan], ["a", "b"], "no number in 'y': 1 utterance (1)"),
        (["x", "y"], ["a", None], "no speaker: 1 utterance (1)"),
        (["x", "y"], ["a", "b"], "protocol 'speaker_folds' needs 3 speakers; there are 2"),
        (DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}), ["a", "b"], "not all of floats"),
        (DataFrame(index=[0, 1]), ["a", "b"], "y has 0 columns"),
        ([], [], "y and groups have no rows"),
        (
            ["x", "y"],
            DataFrame({"utterance": ["u", "u"], "speaker": ["a", "b"]}),
            "the same id: 2 utterances",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(y: Any, groups: Any, message: str) -> None:
    cv = serbench.splitter("speaker_folds", k=3)
    for ask in (cv.split, cv.get_n_splits):
        with pytest.raises(SerbenchError) as caught:
            ask(None, y, groups)
        assert message in str(caught.value)


def test_other_rows_than_those_of_x_are_refused(table: DataFrame) -> None:
    cv = serbench.splitter("speaker_folds", k=3)
    with pytest.raises(SerbenchError, match="X has 5 rows and groups has"):
        cv.split(np.zeros((5, 2)), table["emotion"], table)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("speaker_fold", {}, "did you mean 'speaker_folds'?"),
        ("speaker_folds", {"folds": 3}, "protocol 'speaker_folds' has no option 'folds'"),
        ("speaker_folds", {"k": 1}, "option 'k' of protocol 'speaker_folds'"),
        ("speaker_folds", {"valid": "merge"}, "did you mean 'merged'?"),
    ],
)
def test_a_mistake_is_found_before_there_is_data(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SerbenchError) as caught:
        serbench.splitter(name, **options)
    assert message in str(caught.value)


def test_it_is_shown_as_it_is_written() -> None:
    for text in (
        "splitter('speaker_folds', k=5, balance=('gender',))",
        "splitter('leave_one_session_out', valid='tested')",
    ):
        assert repr(eval(text, {"splitter": serbench.splitter})) == text
