"""A corpus with several tests: each has its own figures, intervals and comparisons."""

from __future__ import annotations

import pandas as pd
import pytest
from rich.console import Console

from serbench.leaderboard.columns import texts
from serbench.leaderboard.comparing import compare
from serbench.leaderboard.export import to_csv, to_markdown
from serbench.leaderboard.latex import to_latex
from serbench.leaderboard.record import FoldRecord, Split
from serbench.leaderboard.render import render_board
from serbench.leaderboard.store import Entry
from serbench.scoring.intervals import interval, taken_apart
from serbench.scoring.scores import score

from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record

FOLD = FoldRecord(name="1", train=84, valid=12, test=120, tests={"near": 60, "far": 60}, hash="a")
SPLIT = Split(hash="ab" * 32, folds=(FOLD,))


def entry(predictions: pd.DataFrame, task=EMOTIONS, **changes: object) -> Entry:
    """Return a result of one fold whose speakers are half in one test, half in another."""
    near = predictions["speaker"].astype(int) % 2 == 0
    rows = predictions.assign(fold="1", test=near.map({True: "near", False: "far"}))
    rows = pd.concat([rows[rows["test"] == name] for name in ("near", "far")], ignore_index=True)
    return Entry(record(task, split=SPLIT, **changes), rows)


def alone(made: Entry, test: str) -> pd.DataFrame:
    rows = made.predictions
    return rows[rows["test"] == test].drop(columns="test")


@pytest.mark.parametrize(
    ("task", "made", "key"),
    [
        (EMOTIONS, entry(classified(1.0)), "ua"),
        (AFFECT, entry(rated(0.5), AFFECT), "o_ccc"),
        (AFFECT, entry(rated(0.5), AFFECT), "a_ccc:valence"),
    ],
)
def test_each_test_has_the_interval_of_its_own_speakers(task, made, key):
    (board,) = ranked([made])
    for test in ("near", "far"):
        rows = alone(made, test)
        expected = interval(taken_apart(task, rows, score(task, rows))[key])
        assert board.rows[0].intervals[f"{test}/{key}"] == pytest.approx(expected)
        assert expected.speakers == 5


@pytest.mark.parametrize("made", [entry(classified(1.0)), entry(rated(0.5), AFFECT)])
def test_every_table_shows_the_interval_of_each_test(made):
    (board,) = ranked([made])
    ((said,),) = texts(board, ["intervals"])
    near, far = (part.partition(" ") for part in said.split("; "))
    assert (near[0], far[0]) == ("near", "far")
    console = Console(width=80, file=None, record=True)
    with console.capture() as shown:
        console.print(render_board(board))
    for text in (shown.get(), to_markdown([board]).replace("\\", ""), to_latex([board])):
        assert near[2] in text
        assert far[2] in text
    assert "far/" in to_csv([board]).splitlines()[0]


def test_who_has_other_tests_under_the_same_hash_is_on_another_board():
    own = [entry(classified(1.0)), entry(classified(2.0, draw=1), recipe={"second": True})]
    swapped = entry(classified(1.5, draw=2), recipe={"other": True})
    swapped.predictions["test"] = swapped.predictions["test"].map({"near": "far", "far": "near"})
    without = Entry(record(recipe={"none": True}), classified(1.0, draw=3))
    boards = ranked([*own, swapped, without])
    assert sorted(len(board.rows) for board in boards) == [1, 1, 2]
    for board in boards:
        assert ("other tests" in " ".join(board.caption)) == (len(board.columns) > 3)


def test_a_comparison_tells_of_each_test_and_takes_the_first_apart():
    one = entry(classified(2.0))
    other = entry(classified(0.5, draw=1), recipe={"other": True})
    found = compare(one, other, "speaker")
    assert [line.name for line in found.figures[:1]] == ["near UA"]
    by_name = {line.name: line for line in found.figures}
    for test in ("near", "far"):
        for made, value in zip((one, other), by_name[f"{test} UA"][1:3], strict=True):
            assert value == score(EMOTIONS, alone(made, test)).rank
    assert {line.name for line in found.parts} == {*alone(one, "near")["speaker"]}
    assert "by near UA" in found.verdict[0]
