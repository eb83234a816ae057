"""What a sweep says of its cost before it starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serbench.progress import Silent
from serbench.runs.grids import costs
from serbench.runs.grids import grid as grids
from serbench.runs.grids.corpora import Corpora
from serbench.runs.grids.plan import Plan, plan
from serbench.runs.pieces import train_one
from serbench.runs.recipe import resolve


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
    grid = grids.made({"upstream": "fbank", "downstream": "mlp"}, {"seeds": [[0], [1]]})
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "some.json").write_text(json.dumps({"seconds": {"train": seconds}}))
    (line,) = (line for line in costs.told(plan(grid, tmp_path), tmp_path) if "training" in line)
    assert line == f"training: about {said} on one process, as 1 result here took"


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
