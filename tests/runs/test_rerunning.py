"""A result is repeated from its record, and what differs is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from serbench.cli.options import assign
from serbench.errors import SerbenchError
from serbench.leaderboard import store
from serbench.runs import rerunning
from serbench.runs.result import Outcome

from ..commands import Ended, serbench  # noqa: TID252
from .changing import Moods


@pytest.fixture
def moods(tmp_path: Path) -> Moods:
    """Return a small corpus with ratings."""
    return Moods(tmp_path)


def rerun(moods: Moods, outcome: Outcome, *more: str | Path) -> Ended:
    """Repeat a result in the folder of its plugin."""
    given = ("rerun", outcome.path, *more, "--data", moods.data)
    return serbench(*given, cwd=moods.data.parent, columns=200)


def test_the_same_recipe_on_the_same_data_is_the_same_bit_for_bit(moods: Moods) -> None:
    outcome = moods.run(raw={"seeds": [3, 1], "protocol": "leave_one_speaker_out"})
    ended = rerun(moods, outcome, "--again")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[:6] == [
        "data: the same",
        "CCC: the same in every fold",
        "predictions: bit for bit the same",
        "versions: the same",
        f"device: {outcome.result.device}",
        "threads: the same",
    ]
    again = moods.data.parent / "reruns" / "moods" / outcome.path.name
    assert store.load_result(again).result.recipe == outcome.result.recipe


def test_what_differs_is_said(moods: Moods) -> None:
    before = moods.run()
    table = moods.table()
    table.loc[0, "valence"] = 1.125
    moods.write(table)
    after = moods.run(results=moods.results.with_name("other"))
    entries = [store.load_result(outcome.path) for outcome in (before, after)]
    older = entries[0].result.model_copy(
        update={"versions": {"torch": "1.0"}, "device": "cpu m68k", "threads": {"train": 7}}
    )
    lines = rerunning.compared(entries[0]._replace(result=older), entries[1])
    found = dict(line.split(": ", 1) for line in lines)
    assert found["data"] == "labels"
    assert "fold 1, seed 0 " in found["CCC"] and ", now " in found["CCC"]
    assert found["predictions"].startswith("up to ")
    assert "torch 1.0, now 2" in found["versions"]
    assert found["device"] == f"cpu m68k, now {after.result.device}"
    assert "train 7, now 1" in found["threads"]


def test_the_largest_difference_of_predictions_is_named(moods: Moods) -> None:
    entry = store.load_result(moods.run().path)
    moved = entry.predictions.copy()
    moved.loc[4, "prediction:valence"] += 0.25
    (line,) = (
        text
        for text in rerunning.compared(entry, entry._replace(predictions=moved))
        if text.startswith("predictions")
    )
    assert line == "predictions: up to 0.25 apart"


def test_files_that_are_not_there_are_named(moods: Moods, pretrained_hubert: Path) -> None:
    weights = moods.data.parent / "mine"
    shutil.copytree(pretrained_hubert, weights)
    raw = {"upstream": {"name": "hubert", "weights": str(weights)}}
    outcome = moods.run(raw=raw)
    moved = weights.rename(weights.with_name("moved"))
    told = rerun(moods, outcome)
    assert told.returncode == 2
    assert "made with 'mine' as upstream.weights" in told.stderr
    found = rerun(moods, outcome, "--set", f"upstream.weights={moved}")
    assert "recipe.upstreams" not in found.stderr
    assert "upstreams.options.weights is ./moved, not ./mine" in found.stderr
    elsewhere = moods.data / "deep"
    elsewhere.mkdir()
    moved.rename(elsewhere / "mine")
    found = rerun(moods, outcome, "--set", f"upstream.weights={elsewhere / 'mine'}")
    assert "bit for bit the same" in found.stdout, found.stderr


def test_other_code_is_not_taken_for_that_of_the_record(moods: Moods) -> None:
    outcome = moods.run()
    plugin = Path(moods.raw["benchmark"])
    plugin.write_text(plugin.read_text() + "\n# changed\n")
    told = rerun(moods, outcome)
    assert told.returncode == 2
    assert "cannot be repeated" in told.stderr and "benchmark.code" in told.stderr


def test_a_result_is_not_repeated_in_its_own_folder(moods: Moods) -> None:
    outcome = moods.run()
    told = rerun(moods, outcome, "--into", moods.results)
    assert told.returncode == 2
    assert "give another folder" in told.stderr


def test_a_setting_cannot_make_it_another_recipe(moods: Moods) -> None:
    result = moods.run().result
    raw = rerunning.raw_of(result)
    assign(raw, ["training.epochs=3", f"benchmark.name={moods.raw['benchmark']}"])
    with pytest.raises(SerbenchError, match=r"training\.epochs is 3, not 2"):
        rerunning.resolve(result, raw)
