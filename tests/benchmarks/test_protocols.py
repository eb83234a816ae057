"""Protocols: what no fold may ever do, on any table, and what each protocol promises."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from serbench.benchmarks import Classification, Fold, Protocol, Regression
from serbench.benchmarks.splitting import protocols
from serbench.benchmarks.splitting.balance import balanced_folds
from serbench.benchmarks.splitting.hashes import part_hash, split_hash
from serbench.errors import SerbenchError

LABELS = ("neutral", "happy", "angry", "sad")
CLASSES = Classification(LABELS)
DIMENSIONS = Regression(("arousal", "valence"), 1, 7)
TASKS = st.sampled_from([CLASSES, DIMENSIONS])
few = settings(max_examples=40, deadline=None)


@st.composite
def tables(draw: Any, least: int = 3, session: str | None = None) -> DataFrame:
    """Return a corpus of up to 12 speakers in any order; sessions are dyads, days or none."""
    session = session or draw(st.sampled_from(["dyads", "none"]))
    sizes = draw(st.lists(st.integers(1, 6), min_size=least, max_size=12))
    rows = [(s, i) for s, size in enumerate(sizes) for i in range(size)]
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=len(rows), max_size=len(rows)))
    levels = draw(st.lists(st.integers(10, 70), min_size=len(rows), max_size=len(rows)))
    of = {"dyads": lambda s: f"d{s // 2}", "days": lambda s: f"day{s % 2}", "none": lambda s: None}
    table = DataFrame(
        {
            "utterance": [f"s{s}_{i}" for s, i in rows],
            "speaker": [f"s{s}" for s, _ in rows],
            "session": [of[session](s) for s, _ in rows],
            "gender": ["female" if s % 2 else "male" for s, _ in rows],
            "emotion": labels,
            "arousal": np.array(levels) / 10,
            "valence": 8 - np.array(levels[::-1]) / 10,
        }
    )
    return table.iloc[draw(st.permutations(range(len(rows))))].reset_index(drop=True)


def ids(table: DataFrame, folds: list[Fold]) -> list[tuple[str, list[list[str]]]]:
    names = table["utterance"].to_numpy()
    return [(f.name, [names[part].tolist() for part in (f.train, f.valid, f.test)]) for f in folds]


def check_promises(table: DataFrame, protocol: Protocol, task: Any) -> list[Fold]:
    """Check all that holds for every protocol that tests each row; return its folds."""
    before = table.copy()
    folds = protocol.split(table, task)
    pd.testing.assert_frame_equal(table, before)
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    np.testing.assert_array_equal(tested, np.arange(len(table)))
    for fold in folds:
        for one, other in combinations([fold.train, fold.valid, fold.test], 2):
            assert not set(one) & set(other)
            for column in {"speaker", "session"} - protocol.shares:
                values = table[column].dropna()
                assert not set(values[values.index.isin(one)]) & set(
                    values[values.index.isin(other)]
                )
    assert ids(table, folds) == ids(table, protocol.split(table, task))
    turned = table.iloc[::-1].reset_index(drop=True)
    assert ids(table, folds) == ids(turned, protocol.split(turned, task))
    return folds


def parts(fold: Fold) -> list[Any]:
    return [fold.train, fold.valid, fold.test]


@few
@given(tables(least=5, session="dyads"), TASKS)
def test_leave_one_session_out(table: DataFrame, task: Any) -> None:
    folds = check_promises(table, protocols.leave_one_session_out(), task)
    assert [f.name for f in folds] == [f"session d{i}" for i in range(table.session.nunique())]
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert set(fold.valid) == set(following.test)
        assert sum(map(len, parts(fold))) == len(table)
        assert len(fold.train)


@few
@given(tables(least=5), TASKS, st.sampled_from(["apart", "shared"]))
def test_leave_one_speaker_out(table: DataFrame, task: Any, sessions: Any) -> None:
    protocol = protocols.leave_one_speaker_out(sessions=sessions)
    folds = check_promises(table, protocol, task)
    assert [f.name for f in folds] == [f"speaker s{i}" for i in range(table.speaker.nunique())]
    for fold in folds:
        assert table.speaker.iloc[fold.test].nunique() == 1
        assert all(map(len, parts(fold)))
        own = table.session.iloc[fold.test[0]]
        partners = table[(table.session == own) & (table.speaker != fold.name.split()[1])]
        used = set(np.concatenate(parts(fold)))
        assert used.isdisjoint(partners.index) if sessions == "apart" else len(used) == len(table)


@few
@given(tables(least=4, session="dyads").filter(lambda t: t.speaker.nunique() % 2 == 0), TASKS)
def test_leave_one_speaker_out_with_the_partner_to_validate(table: DataFrame, task: Any) -> None:
    protocol = protocols.leave_one_speaker_out(sessions="validate")
    assert protocol.shares == {"session"}
    for fold in check_promises(table, protocol, task):
        assert set(table.session.iloc[fold.valid]) == set(table.session.iloc[fold.test])
        assert not set(table.session.iloc[fold.train]) & set(table.session.iloc[fold.test])


@few
@given(tables(least=6), st.integers(3, 6), TASKS, st.sampled_from([(), ("gender",)]))
def test_speaker_folds(table: DataFrame, k: int, task: Any, balance: Any) -> None:
    groups = table.session.nunique() or table.speaker.nunique()
    protocol = protocols.speaker_folds(k=k, balance=balance)
    if groups < k:
        with pytest.raises(SerbenchError, match=f"needs {k} .*there are {groups}: "):
            protocol.split(table, task)
        return
    folds = check_promises(table, protocol, task)
    assert [f.name for f in folds] == [f"fold {i + 1}" for i in range(k)]
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert set(fold.valid) == set(following.test)
        assert all(map(len, parts(fold)))


@few
@given(tables(), st.integers(3, 6), TASKS, st.integers(0, 3))
def test_speaker_dependent_random(table: DataFrame, k: int, task: Any, seed: int) -> None:
    protocol = protocols.speaker_dependent_random(k=k, seed=seed)
    assert protocol.speaker_dependent
    folds = check_promises(table, protocol, task)
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for label in LABELS:
        counts = [(table.emotion.iloc[fold.test] == label).sum() for fold in folds]
        assert task is DIMENSIONS or max(counts) - min(counts) <= 2


@given(tables(session="days"))
@few
def test_speakers_linked_by_sessions_can_only_be_parted_knowingly(table: DataFrame) -> None:
    for name in ("leave_one_speaker_out", "speaker_folds"):
        with pytest.raises(SerbenchError, match=r"without a common session.*sessions='shared'"):
            protocols.make(name).split(table, CLASSES)
    shared = protocols.make("speaker_folds", k=3, sessions="shared")
    assert shared.shares == {"session"}
    check_promises(table, shared, CLASSES)


def test_a_chain_of_shared_sessions_stays_in_one_fold() -> None:
    seen = {"anna": "12", "ben": "23", "cleo": "34", "dan": "5", "eva": "6"}
    rows = [(f"{who}_{s}", who, s, LABELS[0]) for who, sessions in seen.items() for s in sessions]
    table = DataFrame(rows, columns=["utterance", "speaker", "session", "emotion"])
    for options in ({}, {"k": 3}):
        protocol = protocols.make(
            "speaker_folds" if options else "leave_one_speaker_out", **options
        )
        folds = check_promises(table, protocol, CLASSES)
        assert {*table.speaker.iloc[folds[0].train]} < {"dan", "eva"}
    with pytest.raises(
        SerbenchError, match=r"needs 4 groups .* are 3: anna \+ ben \+ cleo, dan, eva"
    ):
        protocols.speaker_folds(k=4).split(table, CLASSES)


@st.composite
def rich_corpora(draw: Any) -> tuple[DataFrame, int]:
    """Return k and a corpus where k women, k men, and k speakers with fear exist, or more."""
    k = draw(st.integers(3, 5))
    genders = draw(st.permutations("f" * (k + draw(st.integers(0, 3))) + "m" * k))
    fearful = draw(st.permutations(range(len(genders))))[:k]
    rows = [
        (f"s{s}_{label}{i}", f"s{s}", gender, label)
        for s, gender in enumerate(genders)
        for label in (*LABELS, *(["fear"] if s in fearful else []))
        for i in range(draw(st.integers(1, 3)))
    ]
    return DataFrame(rows, columns=["utterance", "speaker", "gender", "emotion"]), k


@few
@given(rich_corpora())
def test_each_part_has_all_classes_and_genders_if_there_are_enough(given: Any) -> None:
    table, k = given
    task = Classification((*LABELS, "fear"))
    for fold in protocols.speaker_folds(k=k, balance=("gender",)).split(table, task):
        for part in parts(fold):
            assert set(table.emotion.iloc[part]) == {*LABELS, "fear"}
            assert set(table.gender.iloc[part]) == {"f", "m"}


def uneven_corpus() -> DataFrame:
    """Return 91 speakers, some with six times the utterances of others."""
    rows = [
        (f"{s}_{i}", str(s), "fm"[s % 2], LABELS[(i * i + s) % 4 if i % 3 else s % 4], (i * s) % 61)
        for s in range(91)
        for i in range(10 + (s * 7) % 50)
    ]
    columns = ["utterance", "speaker", "gender", "emotion", "arousal"]
    return DataFrame(rows, columns=columns).assign(valence=lambda t: -t.arousal)


@pytest.mark.parametrize("k", [5, 10])
def test_labels_genders_and_sizes_are_balanced(k: int) -> None:
    table = uneven_corpus()
    folds = protocols.speaker_folds(k=k, balance=("gender",)).split(table, CLASSES)
    for column in ("emotion", "gender"):
        shares = [
            table[column].iloc[f.test].value_counts() / table[column].value_counts() for f in folds
        ]
        assert np.abs(np.array(shares) * k - 1).max() < 0.06
    assert {table.speaker.iloc[fold.test].nunique() for fold in folds} <= {91 // k, 91 // k + 1}


def test_dimensions_are_balanced() -> None:
    table = uneven_corpus()
    for fold in protocols.speaker_folds().split(table, DIMENSIONS):
        assert abs(table.arousal.iloc[fold.test].mean() - table.arousal.mean()) < 0.6
        assert abs(table.arousal.iloc[fold.test].std() - table.arousal.std()) < 0.6
        assert abs(len(fold.test) * 5 / len(table) - 1) < 0.03


def test_that_no_fold_lacks_a_class_counts_more_than_equal_shares() -> None:
    # of each speaker; the evenest three sets would leave the last speaker alone, without happy
    happy, sad = [0, 8, 4, 1, 0], [4, 1, 1, 1, 5]
    group = np.repeat([*range(5), *range(5)], happy + sad)
    label = np.repeat([0, 1], [sum(happy), sum(sad)])
    fold = balanced_folds(group, [label], 3)
    assert all(set(label[fold == f]) == {0, 1} for f in range(3))


def test_balance_is_nearly_always_the_best_there_is() -> None:
    draw = np.random.default_rng(0)
    reached = 0
    for _ in range(40):
        counts = draw.poisson(3, (6, 3)) * (draw.random((6, 3)) < 0.5) + [1, 0, 0]
        group = np.repeat(np.arange(6), counts.sum(axis=1))
        values = np.concatenate([np.repeat(np.arange(3), row) for row in counts])
        cost = partial(_cost, counts[:, counts.any(axis=0)])
        chosen = balanced_folds(group, [values], 3)
        found = cost([chosen[group == g][0] for g in range(6)])
        reached += found <= min(map(cost, product(range(3), repeat=6))) + 1e-9
    assert reached >= 38


def _cost(counts: Any, folds: Any) -> float:
    sums = np.array([counts[np.array(folds) == f].sum(axis=0) for f in range(3)])
    return 100 * (sums == 0).sum() + ((sums / counts.sum(axis=0) - 1 / 3) ** 2).sum()


def test_no_global_random_state_is_touched() -> None:
    before = np.random.get_state()[1].copy()
    protocols.speaker_dependent_random(seed=1).split(uneven_corpus(), CLASSES)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_another_seed_is_another_split() -> None:
    table = uneven_corpus()
    hashes = [
        split_hash(table, protocols.speaker_dependent_random(seed=seed).split(table, CLASSES))
        for seed in (0, 1)
    ]
    assert hashes[0] != hashes[1]


def test_random_fractions_are_one_stratified_fold() -> None:
    table = uneven_corpus()
    protocol = protocols.make("speaker_dependent_random", fractions=[0.6, 0.2, 0.2])
    (fold,) = protocol.split(table, CLASSES)
    assert fold.name == "random"
    for part, fraction in zip(parts(fold), [0.6, 0.2, 0.2], strict=True):
        assert abs(len(part) - fraction * len(table)) <= 1
        for label, count in table.emotion.value_counts().items():
            assert abs((table.emotion.iloc[part] == label).sum() - fraction * count) <= 2
    assert sum(map(len, parts(fold))) == len(table)


def test_corpus_split() -> None:
    table = uneven_corpus()
    table["split"] = np.array(["train", "valid", "test"])[table.speaker.astype(int) % 3]
    protocol = protocols.corpus_split(shares=("session",))
    assert protocol.shares == {"session"}
    (fold,) = protocol.split(table, CLASSES)
    assert fold.name == "corpus"
    for name, part in zip(["train", "valid", "test"], parts(fold), strict=True):
        assert set(part) == set(table.index[table.split == name])


# A change here changes every number that was ever published with these protocols.
SPLITS = {
    "leave_one_session_out": "9ff95ac0ef6adcbb",
    "leave_one_speaker_out": "88802ecf60e28471",
    "speaker_folds": "b1b1dcb1114ef1dd",
    "speaker_dependent_random": "84618215cbaffae7",
}


@pytest.mark.parametrize("name", SPLITS)
def test_splits_stay_what_they_were(name: str) -> None:
    table = uneven_corpus().assign(session=lambda t: "s" + (t.speaker.astype(int) // 4).astype(str))
    assert split_hash(table, protocols.make(name).split(table, CLASSES)) == SPLITS[name]


@pytest.fixture(scope="session")
def iemocap(real_files: Callable[[str], Path]) -> DataFrame:
    """Return the utterances of SUPERB's IEMOCAP split."""
    path = real_files("reference/superb_iemocap.csv")
    if not path.is_file():
        pytest.skip(f"no {path}")
    table = pd.read_csv(path)
    return table.assign(speaker=table.session.astype(str) + table.utterance.str[-4])


def test_iemocap_sessions_are_those_of_superb(iemocap: DataFrame) -> None:
    task = Classification(("neu", "hap", "ang", "sad"))
    folds = check_promises(iemocap, protocols.leave_one_session_out(), task)
    assert [part_hash(iemocap, fold.test) for fold in folds] == [
        "51cd40131d154f0b",
        "feb36442a844ae2f",
        "cf67893b615a6c6a",
        "338d531453c240ca",
        "d9c3e6c7e7b01a44",
    ]
    counts = [
        iemocap.emotion.iloc[fold.test].value_counts()[[*task.labels]].tolist() for fold in folds
    ]
    assert counts[0] == [384, 278, 229, 194]
    assert counts[4] == [384, 442, 170, 245]


def test_iemocap_speakers_are_ten_folds(iemocap: DataFrame) -> None:
    task = Classification(("neu", "hap", "ang", "sad"))
    apart = check_promises(iemocap, protocols.leave_one_speaker_out(), task)
    assert [len(fold.test) for fold in apart[:4]] == [528, 557, 481, 542]
    assert {iemocap.speaker.iloc[fold.train].nunique() for fold in apart} == {6}
    partners = protocols.leave_one_speaker_out(sessions="validate")
    folds = check_promises(iemocap, partners, task)
    assert [len(fold.valid) for fold in folds[:4]] == [557, 528, 542, 481]
    assert {iemocap.speaker.iloc[fold.train].nunique() for fold in folds} == {8}


def test_every_protocol_is_listed_with_one_line() -> None:
    assert protocols.names() == sorted(
        [
            "across_corpora",
            "corpus_split",
            "equal_amounts",
            "leave_one_corpus_out",
            "leave_one_session_out",
            "leave_one_speaker_out",
            "random_clips",
            "sentence_folds",
            "speaker_dependent_random",
            "speaker_folds",
        ]
    )
    lines = protocols.describe()
    assert list(lines) == protocols.names()
    assert all(line.endswith(".") and len(line) <= 100 for line in lines.values())


@pytest.mark.parametrize("name", protocols.names())
def test_protocols_are_named_as_made(name: str) -> None:
    assert protocols.make(name).name == name
    parameters = protocols.signature(name).parameters.values()
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
    defaults = {p.name: p.default for p in parameters}
    assert protocols.make(name, **defaults).shares == protocols.make(name).shares


def test_options_are_checked_through_partial_as_well() -> None:
    by_gender = partial(protocols.speaker_folds, balance=("gender",))
    assert by_gender(k=3).name == "speaker_folds"
    with pytest.raises(SerbenchError, match="'k' of protocol 'speaker_folds'"):
        by_gender(k=2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("speaker_fold", {}, "no protocol 'speaker_fold'; did you mean 'speaker_folds'"),
        ("speaker_folds", {"balanced": ()}, "no option .*'balanced'; did you mean 'balance'"),
        ("speaker_folds", {"k": 2}, "'k' of protocol 'speaker_folds': .* 3, not 2"),
        ("speaker_folds", {"k": "many"}, "'k' of .* valid integer.*, not 'many'"),
        ("speaker_folds", {"sessions": "apar"}, "'sessions' of .* 'apart' or 'shared', not 'apar'"),
        ("leave_one_session_out", {"k": 5}, "has no options; leave out 'k'"),
        ("corpus_split", {"shares": ["speakers"]}, "'shares.0' of .*, not 'speakers'"),
        ("speaker_dependent_random", {"seed": -1}, "'seed' of .*, not -1"),
        ("speaker_dependent_random", {"fractions": (0.5, 0.2, 0.2)}, "three positive .* sum 1"),
        ("speaker_dependent_random", {"fractions": (0.8, 0.2)}, "three positive .* sum 1"),
    ],
)
def test_wrong_names_and_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        protocols.make(name, **options)


def drop(column: str) -> Callable[[DataFrame], DataFrame]:
    return lambda table: table.drop(columns=column)


@pytest.mark.parametrize(
    ("name", "options", "spoil", "message"),
    [
        ("leave_one_session_out", {}, drop("gender"), "column 'session', which .* does not have"),
        ("leave_one_speaker_out", {}, drop("speaker"), "it has gender, .*emotion.*; use"),
        (
            "leave_one_session_out",
            {},
            lambda t: t[["utterance", "speaker"]].assign(
                path="x", recording="y", seconds=1, copy=""
            ),
            "does not have; it has speaker; use",
        ),
        ("speaker_folds", {"balance": ["age"]}, drop("arousal"), "needs the column 'age'"),
        (
            "speaker_folds",
            {},
            lambda t: t.assign(speaker=t.speaker.where(t.index > 1)),
            "2 of .* no speaker, such as '0_0'; fill it in",
        ),
        ("speaker_folds", {"k": 92}, drop("arousal"), "needs 92 speakers; there are 91: 0, 1, 2,"),
        (
            "speaker_folds",
            {},
            lambda t: t[t.speaker < "11"],
            "needs 5 speakers; there are 3: 0, 1, 10",
        ),
        ("leave_one_session_out", {}, lambda t: t.assign(session=1), "needs 3 sessions; .* 1: 1;"),
        (
            "leave_one_speaker_out",
            {"sessions": "validate"},
            lambda t: t.assign(session=t.speaker),
            "needs partners in the session of each speaker.*; 0 has none",
        ),
        (
            "leave_one_speaker_out",
            {"sessions": "validate"},
            lambda t: t.assign(session="x"),
            "all are linked by sessions; use sessions='apart'",
        ),
        ("corpus_split", {}, drop("gender"), "needs the column 'split'"),
        ("corpus_split", {}, lambda t: t.assign(split="train"), "must have .*; it has train; use"),
    ],
)
def test_tables_that_cannot_be_split(
    name: str, options: dict[str, Any], spoil: Any, message: str
) -> None:
    with pytest.raises(SerbenchError, match=message):
        protocols.make(name, **options).split(spoil(uneven_corpus()), CLASSES)
