"""Two results beside each other: who is better, by how much, and when nothing can be said."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from sklearn.metrics import recall_score

from serbench.errors import SerbenchError
from serbench.leaderboard.across import system_of, two_across, verdict_across
from serbench.leaderboard.comparing import compare
from serbench.leaderboard.record import BenchmarkRecord
from serbench.leaderboard.render_comparison import render_across, render_comparison
from serbench.leaderboard.store import Entry

from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record


def entry(name: str, predictions, task=EMOTIONS, **changes) -> Entry:
    return Entry(record(task, recipe={"id": name}, **changes), predictions)


GOOD, POOR = entry("good", classified(3.0)), entry("poor", classified(0.8, draw=1))


def drawn(shown) -> str:
    console = Console(width=80, file=StringIO(), color_system=None)
    console.print(shown)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_what_is_better_is_said_to_be_whichever_comes_first():
    found, turned = compare(GOOD, POOR), compare(POOR, GOOD)
    assert found.verdict[0].startswith("A is better than B: by UA 0.")
    assert turned.verdict[0].startswith("B is better than A: by UA 0.")
    assert found.figures[0].difference.value == -turned.figures[0].difference.value
    assert "10 speakers" in found.verdict[0]
    assert [line.name for line in found.figures] == ["UA", "WA", "macro F1"]


def test_what_cannot_be_told_apart_is_said_not_to_be():
    found = compare(POOR, entry("like", classified(0.8, draw=2)))
    assert found.verdict[0].startswith("A and B cannot be told apart: they differ by UA")
    assert found.figures[0].difference.p > 0.05


def test_the_same_predictions_are_the_same():
    found = compare(GOOD, entry("again", GOOD.predictions.sample(frac=1, random_state=0)))
    assert found.verdict[0] == "A and B predict the same."
    assert all(line.difference.p == 1 for line in found.figures)


def test_systems_of_one_name_are_called_by_what_sets_them_apart():
    one, other = compare(GOOD, POOR).names
    assert one == one.split(" (")[0] + f" ({GOOD.result.digest[:8]}), id=good"
    assert other.endswith("), id=poor")


def test_the_test_over_folds_counts_what_the_record_says_was_tested_and_trained_on():
    values = [
        [recall_score(t["truth"], t["prediction"], average="macro") for _, t in rows]
        for rows in (each.predictions.groupby("fold") for each in (GOOD, POOR))
    ]
    gap = np.subtract(*values)
    error = np.sqrt((1 / 5 + 24 / 84) * gap.var(ddof=1))
    assert compare(GOOD, POOR).over_folds.p == pytest.approx(2 * stats.t.sf(gap.mean() / error, 4))


@pytest.mark.parametrize(("by", "parts"), [("speaker", 10), ("fold", 5), ("emotion", 4)])
def test_parts_are_all_there_and_adjusted(by, parts):
    found = compare(GOOD, POOR, by)
    assert len(found.parts) == parts
    drawn(render_comparison(found, by))
    if by == "emotion":
        (anger,) = (line for line in found.parts if line.name == "anger")
        own = GOOD.predictions.query("truth == 'anger'")
        recalls = [(f["prediction"] == "anger").mean() for _, f in own.groupby("fold")]
        assert anger.one == pytest.approx(np.mean(recalls))
    if by == "speaker":
        assert "A is better for" in drawn(render_comparison(found, by))


def test_by_gender_as_the_corpus_has_it():
    gender = {f"{i:02d}": "female" if i % 2 else "male" for i in range(9)}
    found = compare(GOOD, POOR, "gender", gender)
    assert [line.name for line in found.parts] == ["female", "male", "unknown"]
    assert [line.difference.units for line in found.parts] == [4, 5, 1]


@pytest.mark.parametrize(
    ("other", "by", "said"),
    [
        (entry("dimensions", rated(0.5), AFFECT), None, "not on the same"),
        (entry("half", classified(1.0).query("fold != '1'"), complete=False), None, "incomplete"),
        (entry("truth", classified(1.0).assign(truth="anger")), None, "other labels"),
    ],
)
def test_what_is_not_comparable_is_refused(other, by, said):
    with pytest.raises(SerbenchError, match=said):
        compare(GOOD, other, by)


def test_dimensions_have_no_emotions():
    pair = (entry(name, rated(skill), AFFECT) for name, skill in (("a", 0.5), ("b", 0.2)))
    with pytest.raises(SerbenchError, match="no emotions but arousal"):
        compare(*pair, "emotion")


def test_a_system_is_the_same_on_every_corpus():
    corpora = [
        BenchmarkRecord(name=f"corpus{i}", version="1", synthetic=False, task=EMOTIONS)
        for i in range(6)
    ]
    recipes = [{"upstreams": [{"name": name}], "seeds": [0]} for name in ("fbank", "hubert")]
    results = [
        (
            record(benchmark=corpus, recipe={**recipe, "benchmark": {"name": corpus.name}}),
            classified(0.5 + skill, draw=i),
        )
        for i, corpus in enumerate(corpora)
        for skill, recipe in enumerate(recipes)
    ]
    one, other = results[1][0], results[0][0]
    assert system_of(one) == system_of(results[3][0]) != system_of(other)
    lines = two_across(ranked(results), one, other)
    assert len(lines) == 6
    assert verdict_across(lines).startswith("A is better on 6 of 6 corpora, more than chance")
    assert "6 are needed" in verdict_across(lines[:5])
    assert "corpus5" in drawn(render_across(lines, one.labels, other.labels))
