"""Fused results made again of their runs: nobody's word is taken for what they predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import serbench
from serbench.benchmarks import Classification
from serbench.cli import app
from serbench.leaderboard import beside, store
from serbench.leaderboard.marks import marks
from serbench.leaderboard.page.flags import of_row
from serbench.leaderboard.submissions import add
from serbench.leaderboard.table import rank
from serbench.leaderboard.verifying import verify
from serbench.runs.remaking import remade
from serbench.runs.result import Outcome

from ..leaderboard.result_samples import (  # noqa: TID252
    EMOTIONS,
    classified,
    own_run,
    scored,
    unsealed,
)
from .test_fusing import validation_of

PERFECT = classified(9.0)


def nowhere(_: object) -> None:
    """Have no corpus."""


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Return the digests of two runs."""
    found = []
    for draw, head in enumerate(("mlp", "mean_pool")):
        predictions = classified(1.0, draw=draw)
        made = scored(own_run(head), predictions)
        store.save(made, predictions, tmp_path, beside.Beside(validation_of(predictions)))
        found.append(made.digest)
    return found


@pytest.fixture(params=["mean", "stack"])
def fused(request: pytest.FixtureRequest, runs: list[str], tmp_path: Path) -> Outcome:
    """Return what they are together."""
    return serbench.fuse(*runs, method=request.param, results=tmp_path)


def better(task: Classification, outcome: Outcome, root: Path) -> Path:
    """Write predictions in which a few are right that were not, with all that follows from them."""
    predictions = store.load_result(outcome.path).predictions
    wrong = (predictions["prediction"] != predictions["truth"]).to_numpy().nonzero()[0][:3]
    for row in wrong:
        right = predictions.loc[row, "truth"]
        predictions.loc[row, [f"score:{label}" for label in task.labels]] = 0.0
        predictions.loc[row, [f"score:{right}", "prediction"]] = [1.0, right]
    plain = unsealed(outcome.result).model_copy(update={"scores": {}})
    return store.save(scored(plain, predictions), predictions, root)


def test_a_fusion_is_what_its_runs_come_to(fused: Outcome, tmp_path: Path) -> None:
    assert verify(fused.path, nowhere, remake=remade).problems == ()
    path = better(EMOTIONS, fused, tmp_path)
    assert verify(path, nowhere).problems == (), "it agrees with itself"
    (problem,) = verify(path, nowhere, remake=remade).problems
    assert problem.startswith("3 of 120 predictions are not what comes of the runs")
    told = CliRunner().invoke(app, ["leaderboard", "verify", "--results", str(tmp_path)])
    assert told.exit_code == 1
    assert "3 of 120 predictions" in told.stderr


def test_where_a_run_is_missing_that_is_said(fused: Outcome, tmp_path: Path, runs) -> None:
    assert verify(fused.path, nowhere, remake=remade).unmade == ""
    assert verify(fused.path, nowhere).unmade == "nobody tried"
    store.place(tmp_path, "mine", runs[0]).unlink()
    found = verify(better(EMOTIONS, fused, tmp_path), nowhere, remake=remade)
    assert found.problems == ()
    assert "not here" in found.unsure
    assert found.unmade == "a run that it was made of is not here, or not sound"


def test_a_stack_without_what_it_learnt_on_is_not_called_verified_alone(runs, tmp_path) -> None:
    stacked = better(EMOTIONS, serbench.fuse(*runs, method="stack", results=tmp_path), tmp_path)
    for table in tmp_path.glob("*/*.valid.parquet"):
        table.unlink()
    why = "result {} has no predictions for its validation parts, of which a stack learns"
    called = [why.format(digest[:8]) for digest in runs]
    told = CliRunner().invoke(app, ["leaderboard", "verify", "--results", str(tmp_path)])
    line = next(each for each in told.stdout.splitlines() if stacked.stem[:8] in each)
    assert line.partition("its predictions could not be made again: ")[2] in called

    theirs, mine = str(tmp_path), tmp_path / "mine" / "results"
    CliRunner().invoke(app, ["leaderboard", "add", theirs, "--results", str(mine)])
    said = marks(mine)
    assert said[stacked.stem].endswith(
        "not trained again; its predictions could not be made again."
    )
    assert not any("made again" in said[digest] for digest in runs)
    boards = rank(store.read_all(mine).entries, marks=said)
    assert any("could not be made again" in note for board in boards for note in board.notes)
    (row,) = (r for board in boards for r in board.rows if r.result.digest == stacked.stem)
    assert "unmade" in of_row(row)


def test_rounding_of_another_machine_is_no_forgery(fused: Outcome, tmp_path: Path) -> None:
    predictions = store.load_result(fused.path).predictions
    scores = [f"score:{label}" for label in EMOTIONS.labels]
    predictions[scores] *= 1 + np.float64(1e-9)
    path = store.save(scored(unsealed(fused.result), predictions), predictions, tmp_path)
    assert verify(path, nowhere, remake=remade).problems == ()


def test_runs_that_are_here_are_believed_before_those_that_are_sent(runs, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    for head in ("mlp", "mean_pool"):
        store.save(scored(own_run(head), PERFECT), PERFECT, sent)
    forged = serbench.fuse(*runs, results=sent).result
    told = {each.digest: each.problems for each in add(sent, tmp_path, nowhere, remake=remade)}
    assert "are not what comes of the runs" in " ".join(told[forged.digest])
    assert all("another result is at" in " ".join(told[digest]) for digest in runs)


def test_a_run_is_made_of_none(runs: list[str], tmp_path: Path) -> None:
    found = verify(store.place(tmp_path, "mine", runs[0]), nowhere, remake=remade)
    assert (found.problems, found.unmade) == ((), "")
