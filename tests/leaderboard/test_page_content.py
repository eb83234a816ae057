"""What the page is made of, without a browser: any result is shown, its picture is right."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import UNKNOWN, Classification
from serbench.benchmarks.tasks import Distribution
from serbench.errors import SerbenchError
from serbench.leaderboard.page import content
from serbench.leaderboard.page.details import details
from serbench.leaderboard.record import FoldRecord, Result, Split
from serbench.leaderboard.table import rank
from serbench.scoring.pictures import POINTS, picture

from .result_samples import AFFECT, EMOTIONS, classified, rated, record, scored

SHARES = Distribution(labels=("a", "b"))


def shares() -> pd.DataFrame:
    cells = classified(1.0)[["utterance", "speaker", "fold", "seed"]]
    true, given = np.random.default_rng(0).dirichlet((1, 1), size=(2, len(cells)))
    columns = {"truth:a": true[:, 0], "truth:b": true[:, 1]}
    return cells.assign(**columns, **{"score:a": given[:, 0], "score:b": given[:, 1]})


def one_speaker() -> tuple[Result, pd.DataFrame]:
    found = classified(1.0)
    found = found[found["speaker"] == "00"]
    fold = FoldRecord(name="1", train=84, valid=12, test=len(found), hash="0")
    return record(split=Split(hash="ab", folds=(fold,)), recipe={"one": 1}), found


ODD: dict[str, tuple[Result, pd.DataFrame]] = {
    "incomplete": (record(complete=False), classified(1.0).query("fold != '5'")),
    "nobody known": (record(unknown_speakers=120), classified(1.0).assign(speaker=UNKNOWN)),
    "one speaker": one_speaker(),
    "constant": (record(AFFECT), rated(0.5).assign(**{"prediction:valence": 4.0})),
    "shares": (record(SHARES), shares()),  # type: ignore[arg-type]
}


def none(result: Result) -> str:
    raise SerbenchError(f"{result.digest[:8]} has no recipe")


def test_the_address_of_a_board_stays_when_others_are_added() -> None:
    def known(*names: str) -> dict[str, str]:
        made = [(scored(*ODD[name]), ODD[name][1]) for name in names]
        return {each["title"]: each["id"] for each in content.plain(rank(made))}

    alone, more = known("shares"), known("constant", "one speaker", "shares")
    assert alone.items() <= more.items()
    assert len({*more.values()}) == 3


def test_boards_that_do_not_agree_have_addresses_of_their_own() -> None:
    found = classified(1.0)
    other = found.assign(truth=found["truth"].to_numpy()[[1, *range(1, len(found))]])
    results = [
        (scored(record(recipe={"n": n}), rows), rows) for n, rows in enumerate((found, other))
    ]
    one, two = (each["id"] for each in content.plain(rank(results)))
    assert one != two
    assert one[:14] == two[:14]


@pytest.mark.parametrize("name", ODD)
def test_any_result_can_be_shown(name: str) -> None:
    result, predictions = ODD[name]
    (board,) = rank([(scored(result, predictions), predictions)])
    (shown,) = content.plain([board])
    json.dumps(shown, allow_nan=False)
    (row,) = shown["rows"]
    assert row[6] == result.digest
    (found,) = details(board, none)
    assert found["recipe"] == {"none": f"{result.digest[:8]} has no recipe"}
    assert len(found["folds"]) == predictions["fold"].nunique()


def test_a_picture_of_labels_counts_each_clip_once_a_seed() -> None:
    found = classified(1.0, seeds=(0, 1))
    counts = np.array(picture(EMOTIONS, found)["confusion"])
    expected = pd.crosstab(found["truth"], found["prediction"])
    assert counts[:, :-1].tolist() == expected.to_numpy().tolist()
    assert counts[:, -1].sum() == 0


def test_a_picture_of_numbers_averages_seeds_of_a_part_of_the_clips() -> None:
    found = pd.concat([rated(0.5, seeds=(0, 1), draw=draw).assign(
        utterance=lambda rows, draw=draw: rows["utterance"] + f"_{draw}") for draw in range(3)
    ])  # fmt: skip
    points = picture(AFFECT, found)["points"]
    assert points.keys() == {*AFFECT.dimensions}
    truth, given = points["valence"]
    assert len(truth) == len(given) == POINTS
    means = found.groupby("utterance")[["truth:valence", "prediction:valence"]].mean().round(3)
    pairs = {*means.itertuples(index=False, name=None)}
    assert {*zip(truth, given, strict=True)} <= pairs


def test_labels_that_nobody_may_predict_stand_apart() -> None:
    task = Classification(("x", "y"))
    found: Any = classified(1.0)[:4].assign(truth=["x", "x", "y", "y"], prediction=list("xyz?"))
    assert picture(task, found) == {"confusion": [[1, 1, 0], [0, 0, 2]]}
