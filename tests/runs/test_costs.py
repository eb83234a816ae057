"""What a sweep says of its cost before it starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from serbench.progress import Silent
from serbench.runs.grids import costs
from serbench.runs.grids import grid as grids
from serbench.runs.grids.corpora import Corpora
from serbench.runs.grids.plan import Plan, plan
from serbench.runs.pieces import train_one
from serbench.runs.recipe import resolve

ONE = {"upstream": "fbank", "downstream": "mlp", "training": {"learning_rates": [0.1]}}
CPC = {"upstream": "cpc"}
ANY = ", on whatever device"


def features(upstream: str, corpus: Path, tmp_path: Path) -> str:
    raw = {"upstream": upstream, "downstream": "mean_pool", "benchmark": str(corpus)}
    (said,) = costs.checked(plan(grids.made(raw, {}), tmp_path), Corpora(None, Silent()))
    return said


def test_features_of_weights_that_are_adapted_first_are_not_known_before(
    corpus: Path, tmp_path: Path
) -> None:
    assert "papt_hubert, not known yet" in features("papt_hubert", corpus, tmp_path)
    assert "not known" not in features("hubert", corpus, tmp_path)


def test_where_nothing_is_to_be_encoded_no_size_is_told(corpus: Path, tmp_path: Path) -> None:
    learns = {"upstream": "cpc", "downstream": "mean_pool", "benchmark": str(corpus)}
    grid = grids.made(learns | {"training": {"finetune": True}}, {})
    for planned in (plan(grid, tmp_path), Plan(grid)):
        said = [*costs.checked(planned, Corpora(None, Silent()))]
        assert said == ["features: none to make"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.02, "1 s"), (9.0, "18 s"), (200, "7 min"), (4500, "2.5 h")]
)
def test_short_times_are_told_in_seconds_and_minutes(
    seconds: float, said: str, tmp_path: Path
) -> None:
    took(tmp_path, seconds, ONE)
    assert time_of(ONE, {"seeds": [[1], [2]]}, tmp_path) == (
        f"about {said} on one process, as 1 result here of the same head and corpus took{ANY}"
    )


def took(results: Path, seconds: object, raw: dict[str, Any]) -> None:
    """Put a record beside others that says how long a training took."""
    recipe = resolve(raw)
    folder = results / Path(recipe.benchmark.name).stem
    folder.mkdir(exist_ok=True)
    told = json.dumps({"recipe": recipe.plain(), "seconds": {"train": seconds}})
    (folder / f"{recipe.digest()}.json").write_text(told)


def time_of(raw: dict[str, Any], axes: dict[str, list[Any]], results: Path) -> str:
    lines = costs.told(plan(grids.made(raw, axes), results), results)
    (line,) = (line for line in lines if line.startswith("training: "))
    return line.removeprefix("training: ")


def test_a_run_takes_what_runs_like_it_took_and_others_are_not_known(tmp_path: Path) -> None:
    took(tmp_path, 6000, ONE | {"upstream": "mfcc", "seeds": [0, 1, 2]})  # 2000 s each
    took(tmp_path, 9, ONE | {"downstream": "ecapa"})
    took(tmp_path, 9, ONE | {"benchmark": "emodb"})
    took(tmp_path, 9, ONE | {"training": {"learning_rates": [0.1], "finetune": True}} | CPC)
    said = f"about 33 min on one process, as 1 result here of the same head and corpus took{ANY}"
    assert time_of(ONE, {"seeds": [[7]]}, tmp_path) == said, "of another upstream"
    took(tmp_path, 240, ONE | {"seeds": [3, 4]})
    said = f"about 6 min on one process, as 1 result here of the same head and corpus took{ANY}"
    assert time_of(ONE, {"seeds": [[5, 6, 7]]}, tmp_path) == said, "the same upstream tells more"
    three = {"training.learning_rates": [[0.1, 0.2, 0.3]]}
    assert time_of(ONE, three, tmp_path) == said, "each rate is tried"
    assert time_of(ONE, {"downstream": ["mlp", "attention"]}, tmp_path) == (
        "about 2 min on one process for 1 of 2 runs, as 1 result here of the same head and corpus "
        f"took{ANY}; nothing is known of the others"
    )
    assert time_of(ONE | {"downstream": "attention"}, {}, tmp_path) == (
        "nothing is known of the time before a first result of the same heads and corpora"
    )


def test_each_result_that_was_asked_counts_once(tmp_path: Path) -> None:
    took(tmp_path, 100, ONE | {"seeds": [1]})
    took(tmp_path, 300, ONE | {"upstream": "mfcc", "seeds": [1]})
    assert time_of(ONE, {"upstream": ["fbank", "cpc"]}, tmp_path) == (
        f"about 5 min on one process, as 2 results here of the same head and corpus took{ANY}"
    )


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{}", "\0", '{"recipe": {}}'])
def test_a_strange_file_is_not_counted(text: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "some.json").write_text(text)
    assert "nothing is known" in time_of(ONE, {}, tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_not_counted(kind: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    file = tmp_path / "demo" / "some.json"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    assert "nothing is known" in time_of(ONE, {}, tmp_path)


def test_every_upstream_of_late_fusion_has_a_head_of_its_own(tmp_path: Path) -> None:
    both = ONE | {"upstream": ["fbank", "mfcc"]}
    took(tmp_path, 2000, both | {"fusion": "late"})
    assert time_of(both | {"fusion": "early"}, {}, tmp_path).startswith("about 17 min ")


def test_one_run_that_was_interrupted_hardly_changes_what_is_told(tmp_path: Path) -> None:
    for seed, seconds in enumerate((1.0, 600, 620)):
        took(tmp_path, seconds, ONE | {"seeds": [seed]})
    assert time_of(ONE, {"seeds": [[9]]}, tmp_path).startswith("about 10 min ")


@pytest.mark.parametrize("seconds", [None, "x", float("nan"), float("inf"), -5, [1]])
def test_a_strange_time_is_not_counted(seconds: object, tmp_path: Path) -> None:
    took(tmp_path, seconds, ONE | {"seeds": [1]})
    assert "nothing is known" in time_of(ONE, {}, tmp_path)


def test_a_corpus_of_ones_own_is_known_by_its_file(corpus: Path, tmp_path: Path) -> None:
    took(tmp_path, 600, ONE | {"benchmark": str(corpus), "seeds": [3]})
    assert time_of(ONE | {"benchmark": str(corpus)}, {}, tmp_path).startswith("about 10 min ")


def test_trials_that_are_kept_of_a_run_that_was_stopped_are_told(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    shared = {"upstream": "fbank", "benchmark": str(corpus), "training": {"epochs": 1}}
    grid = grids.made(shared, {"downstream": ["mean_pool", "mlp"]})
    told = [*costs.told(plan(grid, tmp_path), tmp_path)]
    assert not any("begun" in line for line in told)
    for fold in (0, 1):
        train_one(resolve(grid.raw(1)), (fold, 0), data=None, progress=Silent())
    told = [*costs.told(plan(grid, tmp_path), tmp_path)]
    assert any(line.startswith("begun: 1 run, with 2 finished trials, ") for line in told)
