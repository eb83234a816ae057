"""Several corpora as one: who is who, what is the same, and what nobody may have heard."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from serbench.benchmarks import Benchmark, Classification, Regression, Task, protocols
from serbench.benchmarks.auditing.folds import audit_folds
from serbench.benchmarks.reading.layout import as_table
from serbench.benchmarks.reading.union import unite
from serbench.errors import SerbenchError


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
