"""Several corpora as one: who is who, what is the same, and what nobody may have heard."""

from __future__ import annotations

import dataclasses
import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from serbench import plugins
from serbench.benchmarks import (
    UNKNOWN,
    Benchmark,
    Classification,
    Regression,
    Task,
    protocols,
)
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.reading.layout import as_table
from serbench.benchmarks.reading.union import unite
from serbench.errors import SerbenchError
from serbench.plugins import names


def corpus(name: str, task: Task, *, speakers: int = 6, folder: str | None = None) -> Benchmark:
    """Return a corpus whose six speakers say everything there is, by the names of any corpus."""

    def read(root: Path | None) -> DataFrame:
        assert root == (None if folder is None else Path("data") / folder)
        targets = task.outputs if isinstance(task, Classification) else (1, 2, 4)
        both = [(s, t) for s in range(speakers) for t in targets]
        what: dict[str, Any] = {"emotion": [t for _, t in both]}
        if isinstance(task, Regression):
            what = {d: [float(t) for _, t in both] for d in task.dimensions}
        return as_table(
            {
                "utterance": [f"{s}-{t}" for s, t in both],
                "path": [f"/{s}-{t}.wav" for s, t in both],
                "speaker": [f"{s}" for s, _ in both],
                "session": ["1" if s < 2 else None for s, _ in both],
                "split": "train",
                **what,
            }
        )

    return Benchmark(
        name,
        "1",
        task,
        read,
        {"speaker_folds": protocols.speaker_folds},
        folder=folder,
        licence="CC0",
        citation=name,
        obtain="ask",
        known_defects={"0-neutral": "silent"},
    )


ENGLISH = corpus("english", Classification(("neutral", "happy", "disgust")))
GERMAN = corpus("german", Classification(("happiness", "neutral", "boredom")), folder="german")
SAME = ("english.happy=happiness", "disgust=", "boredom=")


def test_ids_speakers_and_sessions_of_two_corpora_are_never_the_same() -> None:
    made = unite({"german": GERMAN}, {"english": ENGLISH}, renamed=SAME)
    table = made.read(Path("data"))
    assert made.name == "english_to_german"
    assert made.task == Classification(("happiness", "neutral"))
    assert table.utterance.is_unique
    assert set(table.speaker) == {f"{c}/{s}" for c in ("english", "german") for s in range(6)}
    assert set(table.session.dropna()) == {"english/1", "german/1"}
    assert set(table.corpus) == {"english", "german"}
    assert table.split.isna().all()
    assert table.groupby(["corpus", "emotion"]).size().to_dict() == {
        (c, e): 6 for c in ("english", "german") for e in ("happiness", "neutral")
    }
    assert made.known_defects["english/0-neutral"] == "silent"


def test_who_is_unknown_stays_unknown_and_what_has_no_truth_stays_out() -> None:
    def read(root: Path | None) -> DataFrame:
        table = GERMAN.read(root)
        table.loc[:2, "speaker"] = "unknown"
        table.loc[3:5, "speaker"] = None
        table.loc[6:8, "split"] = "unlabelled"
        table.loc[9:, "session"] = UNKNOWN
        return table

    strange = dataclasses.replace(GERMAN, read=read)
    table = unite({"german": strange}, {"english": ENGLISH}, renamed=SAME).read(Path("data"))
    german = table[table.corpus == "german"]
    assert (german.speaker == UNKNOWN).sum() == 4
    assert set(german.session.dropna()) == {"german/1", "german/Unknown"}
    assert set(german.speaker) == {UNKNOWN, "german/3", "german/4", "german/5"}
    assert set(german.utterance.str.split("-").str[0]) == {f"german/{s}" for s in (0, 1, 3, 4, 5)}


def test_a_corpus_is_tested_on_what_is_learnt_from_the_others_alone() -> None:
    third = corpus("third", Classification(("neutral", "happiness")))
    made = unite({"german": GERMAN, "third": third}, {"english": ENGLISH}, renamed=SAME)
    table = made.read(Path("data"))
    protocol = made.protocols["across_corpora"]()
    folds = protocol.split(table, made.task)
    (fold,) = folds
    assert list(fold.tests) == ["german", "third"]
    for name, rows in fold.tests.items():
        assert set(table.corpus.iloc[rows]) == {name}
        assert len(rows) == 12
    assert set(table.corpus.iloc[np.concatenate([fold.train, fold.valid])]) == {"english"}
    assert audit_folds(table, folds, protocol, made.task) == []


def test_each_of_several_is_left_out_once_or_all_are_mixed_with_speakers_apart() -> None:
    made = unite({"english": ENGLISH, "german": GERMAN}, {}, renamed=SAME)
    table = made.read(Path("data"))
    folds = made.protocols["leave_one_corpus_out"]().split(table, made.task)
    assert [(f.name, set(table.corpus.iloc[f.test])) for f in folds] == [
        ("english", {"english"}),
        ("german", {"german"}),
    ]
    assert made.name == "english_and_german"
    for fold in made.protocols["speaker_folds"](k=3).split(table, made.task):
        assert set(table.corpus.iloc[fold.test]) == {"english", "german"}
        assert not set(table.speaker.iloc[fold.test]) & set(table.speaker.iloc[fold.train])


def test_the_same_recording_in_two_corpora_is_refused() -> None:
    made = unite({"german": GERMAN}, {"english": ENGLISH}, renamed=SAME)
    table = made.read(Path("data"))
    table["recording"] = table.utterance.str.partition("/")[2].replace("0-happy", "0-happiness")
    protocol = made.protocols["across_corpora"]()
    found = audit_folds(table, protocol.split(table, made.task), protocol, made.task)
    shared = [f for f in found if f.severity == "error"]
    assert {f.kind for f in shared} == {"shared_recording"}
    assert "english/0-happy, german/0-happiness" in shared[0].message or "..." in shared[0].message


def test_labels_that_one_side_alone_has_are_refused_with_the_setting_that_says_what_they_are() -> (
    None
):
    with pytest.raises(SerbenchError) as told:
        unite({"german": GERMAN}, {"english": ENGLISH})
    assert "german alone has happiness, boredom; english alone has happy, disgust" in str(
        told.value
    )
    assert str(told.value).endswith(
        """--set 'benchmark.map=["english.happy=happiness", "boredom=", "disgust="]'"""
    )


def asked(tested: dict[str, Benchmark], trained: dict[str, Benchmark], **more: Any) -> list[str]:
    """Return the setting that a refusal says to copy; nothing if there is none."""
    try:
        made = unite(tested, trained, **more)
        next(iter(made.protocols.values()))()
    except SerbenchError as error:
        _, there, setting = str(error).partition("--set 'benchmark.map=")
        return json.loads(setting.removesuffix("'")) if there else []
    return []


SYNONYMS = [
    *({"anger", "angry"}, {"happiness", "happy", "joy"}, {"sadness", "sad"}, {"fear", "fearful"}),
    *({"surprise", "surprised"}, {"disgust", "disgusted"}),
]


@pytest.mark.parametrize("together", [False, True])
def test_the_setting_to_copy_never_says_that_one_emotion_is_another(*, together: bool) -> None:
    made = {n: plugins.make(plugins.find("benchmarks", n), options={}) for n in names("benchmarks")}
    labels = {name: set(one.task.classes) for name, one in made.items()}
    pairs = [(a, b) for a, b in itertools.permutations(made, 2) if labels[a] and labels[b]]
    renamed = set()
    for a, b in pairs:
        sides = ({a: made[a], b: made[b]}, {}) if together else ({a: made[a]}, {b: made[b]})
        lines = asked(*sides)
        assert bool(lines) == (labels[a] != labels[b])
        for old, new in (line.split("=") for line in lines):
            if new:
                assert old.startswith(f"{b}.")
                renamed.add(frozenset({(old := old.removeprefix(f"{b}.")), new}))
                assert old in labels[b] - labels[a]
                assert new in labels[a] - labels[b]
        try:
            assert asked(*sides, renamed=lines) == []
        except SerbenchError as error:
            raise AssertionError(sides, lines) from error
    assert renamed
    assert all(any(pair <= same for same in SYNONYMS) for pair in renamed)


def test_the_setting_to_copy_keeps_what_was_said_and_asks_for_the_rest() -> None:
    one = corpus("one", Classification(("anger", "joy", "sadness")))
    other = corpus("other", Classification(("angry", "happy", "happiness", "calm")))
    assert asked({"one": one}, {"other": other}) == [
        *("other.angry=anger", "joy=", "sadness=", "happy=", "happiness=", "calm="),
    ]
    given = ["other.angry=anger", "other.happy=joyy"]
    assert asked({"one": one}, {"other": other}, renamed=given) == [
        *(*given, "other.happiness=joy", "one.sadness=", "other.happy=", "other.calm="),
    ]


def test_corpora_that_are_one_are_asked_what_their_labels_are_by_those_left_out_alone() -> None:
    members = {
        "a": corpus("a", Classification(("joy", "neutral"))),
        "b": corpus("b", Classification(("happy", "neutral", "boredom"))),
        "c": corpus("c", Classification(("happiness", "neutral"))),
    }
    assert asked(members, {}) == ["b.happy=joy", "c.happiness=joy", "boredom="]
    assert unite(members, {}).protocols["speaker_folds"]().name == "speaker_folds"


def rated(name: str, low: float, high: float, *dimensions: str) -> Benchmark:
    return corpus(name, Regression(dimensions, low, high))


def test_numbers_are_brought_to_the_scale_that_is_tested_when_the_recipe_says_so() -> None:
    five, seven = rated("five", 1, 5, "arousal", "power"), rated("seven", 1, 7, "arousal")
    together = partial(unite, {"five": five}, {"seven": seven})
    with pytest.raises(SerbenchError, match=r"five alone has power.*\[\"power=\"\]"):
        together()
    with pytest.raises(SerbenchError, match=r"five: 1 to 5, seven: 1 to 7.*rescale=true"):
        together(renamed=["power="])
    made = together(renamed=["power="], rescale=True)
    assert made.task == Regression(("arousal",), 1, 5)
    by_corpus = made.read(None).groupby("corpus")["arousal"].unique().map(list).to_dict()
    assert by_corpus["five"] == [1, 2, 4]
    assert by_corpus["seven"] == pytest.approx([1, 1 + 4 / 6, 3])


@pytest.mark.parametrize(
    ("renamed", "message"),
    [
        (["happy"], "is not OLD=NEW"),
        (["hapy=x"], "no target in benchmark.map 'hapy'; did you mean 'happy'"),
        (["german.disgust="], "no target in benchmark.map 'disgust'.*of german"),
    ],
)
def test_a_map_of_what_is_not_there_is_refused(renamed: list[str], message: str) -> None:
    with pytest.raises(SerbenchError, match=message):
        unite({"german": GERMAN}, {"english": ENGLISH}, renamed=renamed)


def test_corpora_of_different_tasks_cannot_be_joined() -> None:
    with pytest.raises(SerbenchError, match="german: classification, five: regression"):
        unite({"german": GERMAN}, {"five": rated("five", 1, 5, "arousal")})
