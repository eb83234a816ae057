"""Two results beside each other: who is better, by how much, and when nothing can be said."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from sklearn.metrics import recall_score

from serbench.benchmarks import UNKNOWN
from serbench.errors import SerbenchError
from serbench.leaderboard.across import Systems, names_across, two_across, verdict_across
from serbench.leaderboard.comparing import compare
from serbench.leaderboard.correcting import correction
from serbench.leaderboard.record import (
    BenchmarkRecord,
    Enrolled,
    Member,
    ProtocolRecord,
    Result,
    Weighted,
)
from serbench.leaderboard.render_comparison import (
    render_across,
    render_comparison,
    render_correction,
)
from serbench.leaderboard.store import Entry

from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record


def entry(name: str, predictions, task=EMOTIONS, **changes) -> Entry:
    return Entry(record(task, recipe={"id": name}, **changes), predictions)


ENROLLED = Enrolled(amount=0, unit="clips", labelled=False, aside=20)
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


def test_where_nobody_knows_who_speaks_nothing_is_said():
    one, other = (each.predictions.assign(speaker=UNKNOWN) for each in (GOOD, POOR))
    found = compare(entry("good", one), entry("poor", other))
    assert found.verdict[0] == "Nothing can be said: UA of 0 speakers is no sample."
    assert found.figures[0].difference.value > 0


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


def test_who_heard_the_test_part_is_compared_and_said_to_have_heard_it():
    heard = entry(
        "heard", classified(2.0, draw=3), weighted=Weighted(heard="test", functionals="own")
    )
    for pair, said in ((heard, GOOD), "A heard the audio"), ((GOOD, heard), "B heard the audio"):
        found = compare(*pair)
        assert said in found.verdict[2]
        assert f"and {'BA'[said[0] == 'B']} did not" in found.verdict[2]
    assert not any("heard" in sentence for sentence in compare(heard, heard).verdict)
    boards = ranked([(heard.result, heard.predictions), (GOOD.result, GOOD.predictions)])
    assert [len(board.rows) for board in boards] == [1, 1]


def test_what_a_correction_changed_is_told_with_the_scores_before_and_after():
    mended = GOOD.predictions.assign(**{"score:anger": 1.0, "score:happiness": 0.0})
    mended = mended.assign(**{"score:neutral": 0.0, "score:sadness": 0.0, "prediction": "anger"})
    found = correction(entry("mended", mended), GOOD)

    (line, *_) = found.figures
    assert (line.name, line.one) == ("UA", pytest.approx(0.25))
    assert line.other == pytest.approx(compare(GOOD, POOR).figures[0].one)
    assert line.difference.value == pytest.approx(line.one - line.other)
    others = (GOOD.predictions["prediction"] != "anger").sum()
    assert found.sentence == f"Corrected 120 of 120 predictions; {others} have another label."
    assert "after - before" in drawn(render_correction(found))


def test_a_correction_that_changed_nothing_says_so():
    shuffled = GOOD.predictions.sample(frac=1, random_state=0)
    found = correction(entry("same", shuffled), GOOD)
    assert found == ("Changed nothing: all 120 predictions are as before.", ())
    nobody = ProtocolRecord(name="speaker_folds", options={}, enrolled=ENROLLED)
    found = correction(entry("nobody", shuffled, protocol=nobody), GOOD)
    assert found.sentence.startswith("Changed nothing: nothing is enrolled, so that nobody")


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
    systems = Systems(each for each, _ in results)
    assert systems.of(one) == systems.of(results[3][0]) != systems.of(other)
    pairs = two_across(ranked(results), one, other)
    lines = [pair.line for pair in pairs]
    assert [pair.digests for pair in pairs] == [
        (better.digest, worse.digest)
        for (worse, _), (better, _) in zip(results[::2], results[1::2], strict=True)
    ]
    assert verdict_across(lines).startswith("A is better on 6 of 6 corpora, more than chance")
    assert "6 are needed" in verdict_across(lines[:5])
    turned = [pair.line for pair in two_across(ranked(results), other, one)]
    assert verdict_across(turned).startswith("B is better on 6 of 6 corpora, more than chance")
    assert verdict_across(turned[:2]).startswith("B is better on 2 of 2 corpora: 6 are needed")
    assert verdict_across([*lines[:3], *turned[3:]]).startswith(
        "A and B are better on 3 each of 6 corpora, no more than chance"
    )
    same = [line._replace(difference=line.difference._replace(value=0.0)) for line in lines]
    assert verdict_across(same).endswith("0 each of 6 corpora, which is no difference.")
    text = drawn(render_across(pairs, names_across(one, other)))
    assert "corpus5" in text
    assert f"({one.digest[:8]}, name=hubert)" in text
    assert all(digest[:8] in text for pair in pairs for digest in pair.digests)


def test_what_was_made_of_the_same_systems_is_one_system():
    def made(corpus: str, head: str) -> Result:
        return record(recipe={"downstream": head, "benchmark": {"name": corpus}})

    def fused(*members: Result) -> Result:
        recipe = {"fuse": "mean", "members": [{"digest": each.digest} for each in members]}
        called = tuple(Member(digest=each.digest, labels=each.labels) for each in members)
        return record(recipe=recipe, members=called)

    runs = {(c, h): made(c, h) for c in ("a", "b") for h in ("mlp", "ecapa", "attention")}
    one, same = (fused(runs[c, "mlp"], runs[c, "ecapa"]) for c in ("a", "b"))
    other = fused(runs["b", "mlp"], runs["b", "attention"])
    known = Systems([*runs.values(), one, same, other])
    assert known.of(one) == known.of(same) != known.of(other)
    unknown = Systems([one, same])
    assert unknown.of(one) != unknown.of(same), "what is not known is not taken for the same"
