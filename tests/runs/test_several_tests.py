"""A fold with several tests and with utterances without labels, from the corpus to the board."""

from __future__ import annotations

import csv
import json

import pytest

import serbench
from serbench.leaderboard import store
from serbench.leaderboard.export import to_csv, to_markdown
from serbench.leaderboard.reading import BrokenResultError
from serbench.leaderboard.table import rank
from serbench.scoring.scores import score

from ..benchmarks.trees import msp_podcast as tree  # noqa: TID252


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("msp")
    tree.grow(folder / "data" / tree.FOLDER, seconds=0.4, loud=True)
    return serbench.run(
        upstream="mfcc",
        downstream="mlp",
        benchmark={"name": "msp_podcast", "unknown": "dropped"},
        training={"epochs": 1, "learning_rates": [1e-3], "batch": 8},
        data=folder / "data",
        results=folder / "results",
    )


def test_each_test_is_scored_alone_and_the_first_one_ranks(outcome):
    predictions = store.load_result(outcome.path).predictions
    task = outcome.result.benchmark.task
    assert list(outcome.scores.tests) == ["test1", "test2"]
    for name, own in outcome.scores.tests.items():
        rows = predictions[predictions["test"] == name].drop(columns="test")
        assert own.rank == score(task, rows).rank
        assert len(own.speakers) == {"test1": 3, "test2": 2}[name]
    assert outcome.scores.rank == outcome.scores.tests["test1"].rank


def test_the_record_names_the_tests_and_others_have_none(outcome):
    plain = json.loads(outcome.path.read_text())
    (fold,) = plain["split"]["folds"]
    assert (fold["test"], fold["tests"], fold["unlabelled"]) == (40, {"test1": 24, "test2": 16}, 3)
    assert plain["scores"]["tests"]["test2"]["by_fold"]["o_ccc"]["mean_of_folds"] == pytest.approx(
        outcome.scores.tests["test2"].rank
    )


def test_what_has_no_labels_is_predicted_and_exported(outcome):
    with outcome.path.with_suffix(".unlabelled.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["utterance"] for row in rows] == [f"MSP-PODCAST_test3_{i:04}" for i in range(3)]
    assert all(1 - 6 < float(row["prediction:valence"]) < 7 + 6 for row in rows)
    assert "truth:valence" not in rows[0]


def test_a_board_has_a_column_a_test_and_no_mean_over_them(outcome):
    (board,) = rank([store.load_result(outcome.path)])
    assert board.columns[0].title == "test1 O-CCC"
    (row,) = board.rows
    for name in ("test1", "test2"):
        expected = outcome.scores.tests[name].by_fold["o_ccc"].mean_of_folds
        assert row.values[f"{name}/o_ccc"].mean == expected
        assert row.values[f"{name}/o_ccc"].std is None
    assert "on each of the tests test1, test2 alone, never averaged" in board.caption[0]
    assert "test2 O-CCC" in to_markdown([board])
    assert "test2/a_ccc:valence" in to_csv([board])


def test_the_terminal_shows_a_table_a_test(outcome, capsys):
    from rich.console import Console

    from serbench.leaderboard.render import render_board, render_run

    console = Console(width=80, force_terminal=False)
    console.print(render_run(outcome.result, outcome.scores))
    (board,) = rank([store.load_result(outcome.path)])
    console.print(render_board(board))
    shown = capsys.readouterr().out
    assert "mean of folds" not in shown
    assert "test2" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_predictions_of_another_test_are_refused(outcome, tmp_path):
    import pandas as pd

    folder = tmp_path / "msp_podcast"
    folder.mkdir()
    for path in outcome.path.parent.glob(f"{outcome.result.digest}*"):
        (folder / path.name).write_bytes(path.read_bytes())
    file = folder / f"{outcome.result.digest}.parquet"
    predictions = pd.read_parquet(file)
    predictions.loc[0, "test"] = "test2"
    predictions.to_parquet(file, index=False, write_page_checksum=True)
    with pytest.raises(BrokenResultError, match="has other tests than the record"):
        store.load_result(folder / f"{outcome.result.digest}.json")


def test_a_frame_has_a_row_a_test(outcome):
    frame = serbench.load_results(outcome.path.parent.parent, by="fold")
    assert set(frame["fold"]) == {"test1", "test2"}


def test_fused_and_corrected_runs_keep_the_tests(outcome):
    results = outcome.path.parent.parent
    other = serbench.run(
        upstream="mfcc",
        downstream="mean_pool",
        benchmark={"name": "msp_podcast", "unknown": "dropped"},
        training={"epochs": 1, "learning_rates": [1e-3], "batch": 8},
        data=results.parent / "data",
        results=results,
    )
    fused = serbench.fuse(outcome.result.digest, other.result.digest, results=results)
    corrected = serbench.postprocess(outcome.result.digest, "pldc", results=results)
    for made in (fused, corrected):
        assert list(made.scores.tests) == ["test1", "test2"]
        assert made.result.split == outcome.result.split
