"""Runs that are given something of each test speaker: what reaches whom, and what is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from typer.testing import CliRunner

import serbench
from serbench.cli import app
from serbench.errors import SerbenchError
from serbench.leaderboard import beside, store
from serbench.leaderboard.table import rank
from serbench.runs import rerunning
from serbench.runs.recipe import resolve
from serbench.runs.result import Outcome

from .test_postprocessed_runs import QUICK, write_corpus

KEY = ["utterance", "fold", "seed"]


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus of dimensions, six clips a speaker; nobody writes to it."""
    return write_corpus(tmp_path_factory.mktemp("rated"), "regression")


@pytest.fixture(scope="module")
def runs(rated: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    """Return runs with 0, 2 and 3 clips of 3 enrolled, in one folder of results."""
    root = tmp_path_factory.mktemp("results")
    return {
        n: serbench.run(**QUICK, benchmark=rated, enrol={"amount": n, "aside": 3}, results=root)
        for n in (0, 2, 3)
    }


def corrected(outcome: Outcome, *steps: Any) -> DataFrame:
    made = serbench.postprocess(outcome.path, list(steps), outcome.path.parents[1])
    return store.load_result(made.path).predictions.set_index(KEY).sort_index()


def test_the_same_is_scored_and_equal_whatever_is_enrolled(runs: dict[int, Outcome]) -> None:
    tables = [store.load_result(run.path).predictions for run in runs.values()]
    assert all(table.equals(tables[0]) for table in tables)
    assert {*tables[0]["utterance"]} == {f"s{s}_{i}.wav" for s in (6, 7) for i in (3, 4, 5)}
    assert len({run.result.split.hash for run in runs.values()}) == 3
    assert len({run.result.digest for run in runs.values()}) == 3
    assert [run.result.split.folds[0].enrol for run in runs.values()] == [0, 4, 6]


def test_what_is_enrolled_is_in_the_result_and_on_the_board(runs: dict[int, Outcome]) -> None:
    root = runs[0].path.parents[1]
    boards = rank(store.read_all(root).entries)
    titles = [board.title for board in boards if len(board.rows)]
    for n in (0, 2, 3):
        assert any(f"{n} of 3 clips enrolled" in title for title in titles)
    enrolled = beside.load_part(runs[2].path, runs[2].result, "enrol")
    assert {*enrolled["utterance"]} == {f"s{s}_{i}.wav" for s in (6, 7) for i in (0, 1)}
    assert "enrol" in runs[2].result.split.folds[0].truths
    assert not beside.has_part(runs[0].path, "enrol")


def test_a_voice_is_that_of_what_is_enrolled(runs: dict[int, Outcome]) -> None:
    heard = [beside.load_voices(run.path, run.result) for run in runs.values()]
    clips = [dict(zip(each["speaker"], each["clips"], strict=True)) for each in heard]
    assert "s6" not in clips[0]
    assert [each["s6"] for each in clips[1:]] == [2, 3]
    assert all(each["s0"] == 6 for each in clips)


def test_pldc_goes_by_what_is_enrolled_alone(runs: dict[int, Outcome]) -> None:
    """Against the formula, from the tables beside the result."""
    plain = store.load_result(runs[2].path).predictions.set_index(KEY).sort_index()
    for n in (0, 2):
        made = corrected(runs[n], {"name": "pldc", "shift": "both", "neighbours": "all"})
        if n == 0:  # nothing is known of anybody
            assert made.equals(plain[made.columns])
            continue
        train = beside.load_part(runs[n].path, runs[n].result, "train")
        enrolled = beside.load_part(runs[n].path, runs[n].result, "enrol")
        for dimension in ("arousal", "valence"):
            labels = train.groupby("speaker")[f"truth:{dimension}"]
            mean, spread = labels.mean().mean(), labels.std(ddof=0).mean()
            for speaker, rows in plain.groupby("speaker"):
                own = enrolled.loc[enrolled["speaker"] == speaker, f"prediction:{dimension}"]
                given = rows[f"prediction:{dimension}"]
                expected = (given - own.mean()) / own.std(ddof=0) * spread + mean
                found = made.loc[rows.index, f"prediction:{dimension}"]
                np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_labels_of_what_is_enrolled_reach_a_post_processor_only_where_asked(
    rated: Path, tmp_path: Path
) -> None:
    source = '''"""Sees labels."""
from serbench.postprocessors import Known, PostProcessor
class Step(PostProcessor):
    serves = frozenset({"regression"})
    def correct(self, predicted, evidence):
        assert not isinstance(predicted, Known)
        heard = evidence.heard(predicted)
        return predicted.values + (heard.truths.sum() if isinstance(heard, Known) else 0)
def make():
    return Step()
'''
    (tmp_path / "step.py").write_text(source)
    tables = []
    for labelled in (False, True):
        run = serbench.run(
            **QUICK,
            benchmark=rated,
            enrol={"amount": 2, "aside": 3, "labelled": labelled},
            results=tmp_path,
        )
        plain = store.load_result(run.path).predictions.set_index(KEY).sort_index()
        tables.append((plain, corrected(run, str(tmp_path / "step.py"))))
    column = "prediction:arousal"
    for (plain, made), changed in zip(tables, (False, True), strict=True):
        assert np.allclose(plain[column], made[column]) != changed


def test_a_chain_corrects_what_is_enrolled_as_well(runs: dict[int, Outcome]) -> None:
    """Set twice by the same neighbours, the second time changes nothing."""
    step = {"name": "pldc", "shift": "both", "neighbours": "all"}
    once, twice = corrected(runs[3], step), corrected(runs[3], step, step)
    numbers = [name for name in once if name.startswith("prediction")]
    np.testing.assert_allclose(once[numbers], twice[numbers], rtol=1e-9)


def test_a_chain_in_two_calls_is_the_chain_in_one(runs: dict[int, Outcome]) -> None:
    root = runs[2].path.parents[1]
    steps = [{"name": "pldc", "shift": "both", "k": 2}, {"name": "pldc", "shift": "mu", "k": 1}]
    once = serbench.postprocess(runs[2].path, steps, root)
    twice = serbench.postprocess(runs[2].path, steps[0], root)
    twice = serbench.postprocess(twice.path, steps[1], root)
    tables = [
        (
            store.load_result(each.path).predictions,
            beside.load_part(each.path, each.result, "enrol"),
        )
        for each in (once, twice, runs[2])
    ]
    for made, other, plain in zip(*tables, strict=True):
        numbers = [name for name in made if name.startswith("prediction:")]
        np.testing.assert_allclose(made[numbers], other[numbers], atol=1e-12)
        assert not np.allclose(made[numbers], plain[numbers])


def test_classes_are_moved_by_what_is_enrolled(tmp_path: Path) -> None:
    benchmark = write_corpus(tmp_path, "classification")
    plain, moved = {}, {}
    for n in (0, 3):
        run = serbench.run(
            **QUICK, benchmark=benchmark, enrol={"amount": n, "aside": 3}, results=tmp_path / "r"
        )
        plain[n] = store.load_result(run.path).predictions.set_index(KEY).sort_index()
        for name in ("em_prior", "prior_shift"):
            moved[n, name] = corrected(run, {"name": name, "calibrate": False})
    scores = [name for name in plain[0] if name.startswith("score:")]
    for name in ("em_prior", "prior_shift"):
        np.testing.assert_allclose(moved[0, name][scores], plain[0][scores])
    # the training part has every class equally often, so that neighbours tell nothing
    assert not np.allclose(moved[3, "em_prior"][scores], plain[3][scores])
    np.testing.assert_allclose(moved[3, "prior_shift"][scores], plain[3][scores])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"amount": 5, "aside": 3}, "5 cannot be enrolled of 3 set aside"),
        (2.5, "clips are counted in whole numbers"),
        ("soon", "is 'soon'; give a number of clips from 0 on, such as 5, or of seconds"),
        ("-1", "is '-1'; give a number of clips from 0 on"),
        (-1, "is -1; give a number of clips from 0 on"),
        (float("nan"), "is nan; give a number of clips"),
        (10**400, "is 1000.*0000; give a number of clips"),
        ({"amount": True, "aside": 3}, "is True; give a number of clips"),
        ({"clips": 3}, "enrol key 'clips'"),
        (6, "nothing is left to score; enrol and set aside .enrol.aside. less"),
    ],
)
def test_what_cannot_be_enrolled_is_one_sentence(
    rated: Path, tmp_path: Path, given: Any, message: str
) -> None:
    with pytest.raises(SerbenchError, match=message):
        serbench.run(**QUICK, benchmark=rated, enrol=given, results=tmp_path)


def test_what_is_written_means_the_same(rated: Path, runs: dict[int, Outcome]) -> None:
    raw = {**QUICK, "benchmark": str(rated)}
    assert resolve({**raw, "enrol": 5}) == resolve({**raw, "enrol": {"amount": 5, "aside": 20}})
    assert resolve({**raw, "enrol": "30s"}) == resolve(
        {**raw, "enrol": {"amount": 30, "unit": "seconds", "aside": 60.0}}
    )
    again = rerunning.resolve(
        runs[2].result, {**rerunning.raw_of(runs[2].result), "benchmark": str(rated)}
    )
    assert again.digest() == runs[2].result.digest
    line = ["run", "--upstream", "fbank", "--downstream", "mean_pool", "--benchmark", str(rated)]
    line += ["--set", "training.learning_rates=[0.01]", "--set", "training.epochs=2"]
    line += ["--results", str(runs[2].path.parents[1]), "--overwrite", "never"]
    shown = CliRunner().invoke(app, [*line, "--enrol", "2", "--set", "enrol.aside=3"])
    assert shown.exit_code == 0, shown.output
    assert "2 of 3 clips enrolled" in shown.output
    assert "adaptation and post-processors get 2 of them" in " ".join(shown.output.split())
