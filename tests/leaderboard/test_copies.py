"""Copies of a result, under whatever digests: they move nobody's rank, and say what they are."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from serbench.leaderboard.cards import card
from serbench.leaderboard.columns import COLUMNS
from serbench.leaderboard.export import to_markdown
from serbench.leaderboard.page import content
from serbench.leaderboard.page.flags import of_row
from serbench.leaderboard.record import Corrected, Result
from serbench.leaderboard.table import Board
from serbench.scoring.predictions import digest_predicted

from .result_samples import AFFECT, EMOTIONS, classified, ranked, rated, record

GOOD, MID, WEAK = classified(2.6), classified(1.2, draw=9), classified(0.3, draw=5)
PREDICTED = {"good": GOOD, "mid": MID, "weak": WEAK}


def board(copied: str = "", copies: int = 0) -> Board:
    """Return a board of three rows, and of copies of one of them under other digests."""
    names = [*PREDICTED, *[copied] * copies]
    (made,) = ranked(
        (record(recipe={"of": name, "number": number}), PREDICTED[name])
        for number, name in enumerate(names)
    )
    return made


def by_name(made: Board, values: Sequence[object]) -> dict[str, set[object]]:
    """Return what the rows of each name have."""
    found: dict[str, set[object]] = {name: set() for name in PREDICTED}
    for row, value in zip(made.rows, values, strict=True):
        found[str(row.result.recipe["of"])].add(value)
    return found


@pytest.mark.parametrize("copied", [*PREDICTED])
def test_copies_move_nobody(copied: str) -> None:
    alone, flooded = board(), board(copied, 40)
    ranks = {"good": {1}, "mid": {2}, "weak": {3}}
    assert by_name(alone, [row.rank for row in alone.rows]) == ranks
    assert by_name(flooded, [row.rank for row in flooded.rows]) == ranks
    ranges = [by_name(made, COLUMNS["ranks"].values(made)) for made in (alone, flooded)]
    assert ranges[0] == ranges[1] == {"good": {"1"}, "mid": {"2"}, "weak": {"3"}}


def test_copies_count_once_where_ranks_follow_from_values_alone() -> None:
    def one(skill: float, number: int) -> tuple[Result, pd.DataFrame]:
        # nobody knows who speaks, so that there are no intervals
        return record(recipe={"skill": skill, "number": number}), classified(skill).assign(
            speaker=""
        )

    (made,) = ranked([one(2.6, 0), one(2.6, 1), one(2.6, 2), one(0.3, 3)])
    assert [row.rank for row in made.rows] == [1, 1, 1, 2]


@pytest.mark.parametrize(("task", "given"), [(EMOTIONS, classified), (AFFECT, rated)])
def test_what_is_predicted_has_one_digest_in_any_order_and_with_any_seeds(task, given) -> None:
    predictions = given(1.0, (0, 1))
    same = predictions.sample(frac=1, random_state=0).assign(seed=lambda rows: 9 - rows["seed"])
    assert digest_predicted(task, same) == digest_predicted(task, predictions)


@pytest.mark.parametrize(
    ("task", "given", "name"),
    [(EMOTIONS, classified, "prediction"), (AFFECT, rated, "prediction:valence")],
)
def test_another_prediction_has_another_digest(task, given, name) -> None:
    predictions = given(1.0, (0, 1))
    others = [
        predictions.assign(**{name: predictions[name].to_numpy()[::-1]}),
        predictions.assign(fold="1"),
        predictions[predictions["seed"] == 0],
    ]
    digests = {digest_predicted(task, each) for each in (predictions, *others)}
    assert len(digests) == 4


def test_how_sure_a_system_is_of_a_label_changes_no_figure_and_no_digest() -> None:
    surer = GOOD.assign(**{name: GOOD[name] ** 2 for name in EMOTIONS.numbers})
    assert digest_predicted(EMOTIONS, surer) == digest_predicted(EMOTIONS, GOOD)


def test_rows_that_predict_the_same_name_each_other() -> None:
    made = board("mid", 5)
    digests = [row.result.digest[:8] for row in made.rows]
    (note,) = made.notes
    names = ", ".join(f"fbank + mean_pool ({digest})" for digest in digests[1:4])
    assert note == f"The same predictions, which count once: {names} and 3 more."
    assert [row.notes for row in made.rows] == [(), *[(1,)] * 6, ()]
    assert ["copied" in of_row(row) for row in made.rows] == [False, *[True] * 6, False]
    assert not board().notes


def test_two_that_predict_the_same_are_named_by_note_and_mark_everywhere() -> None:
    made = board("good", 1)
    one, other = (row.result.digest[:8] for row in made.rows[:2])
    said = (
        f"The same predictions, which count once: fbank + mean_pool ({one}), "
        f"fbank + mean_pool ({other})."
    )
    assert made.notes == (said,)
    assert said in to_markdown([made])
    assert said in card(made, made.rows[1], None)
    assert "**same predictions**" in card(made, made.rows[1], None)
    (plain,) = content.plain([made])
    assert plain["notes"] == (said,)
    assert [row[-1] for row in plain["rows"]] == [["copied"], ["copied"], [], []]


def test_a_correction_that_changed_nothing_shares_the_rank_and_is_no_copy() -> None:
    run = record(recipe={"id": "run"})
    corrected = record(
        recipe={"id": "corrected"}, corrected=Corrected(digest=run.digest, steps=("temperature",))
    )
    (made,) = ranked([(run, GOOD), (corrected, GOOD), (record(recipe={"id": "weak"}), WEAK)])
    assert [row.rank for row in made.rows] == [1, 1, 2]
    assert not any(row.copied for row in made.rows)
    assert not any("same predictions" in note for note in made.notes)
