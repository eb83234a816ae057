"""How long scores and boards take: `pytest -m slow -n0 tests/leaderboard/test_speed.py`.

Times are those of one core, so that others at work on the machine count little.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serbench.benchmarks import Classification, Regression
from serbench.leaderboard import store, table
from serbench.leaderboard.record import Result
from serbench.leaderboard.remembered import standing_of
from serbench.leaderboard.standing import Standing, standing
from serbench.leaderboard.verifying import verify, verify_all
from serbench.runs import recipe
from serbench.runs.possible import impossible
from serbench.runs.recommended import recommended
from serbench.scoring.scores import score

from .result_samples import AFFECT, rated, record, scored

pytestmark = [pytest.mark.slow, pytest.mark.benchmark(timer=time.process_time)]

RESULTS = Path(__file__).parents[2] / "results"
CLIPS, SPEAKERS, SEEDS = 60_000, 1_000, 3
COUNT = 60  # results of a folder
MOODS = Classification(tuple(f"mood {number}" for number in range(8)))
SCALES = Regression(("arousal", "valence", "dominance"), 1.0, 7.0)


def large(task: Classification | Regression) -> pd.DataFrame:
    """Return 60,000 predictions x 3 seeds, by 1,000 speakers in five folds."""
    random = np.random.default_rng(0)
    who = random.integers(SPEAKERS, size=CLIPS)
    rows = pd.DataFrame({"utterance": np.arange(CLIPS).astype(str), "speaker": who.astype(str)})
    rows["fold"] = (who % 5).astype(str)
    frames = []
    if isinstance(task, Classification):
        labels = np.array(task.labels)
        rows["truth"] = labels[random.integers(len(labels), size=CLIPS)]
    for name in task.scales:
        rows[f"truth:{name}"] = random.uniform(1, 7, CLIPS)
    for seed in range(SEEDS):
        given = {f"prediction:{name}": random.uniform(1, 7, CLIPS) for name in task.scales}
        if isinstance(task, Classification):
            given["prediction"] = labels[random.integers(len(labels), size=CLIPS)]
        frames.append(rows.assign(seed=seed, **given))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("task", [MOODS, SCALES], ids=["classes", "dimensions"])
def test_three_seeds_of_a_large_corpus_are_scored_in_a_second(task, benchmark: Any) -> None:
    scores = benchmark.pedantic(score, (task, large(task)), rounds=3, warmup_rounds=1)
    assert len(scores.speaker_rows) == SPEAKERS
    assert benchmark.stats.stats.min < 1


def many(count: int) -> list[Standing]:
    """Return results of one board, each of another recipe."""
    random = np.random.default_rng(0)
    predictions = rated(0.5)
    plain = recipe.resolve({"upstream": "fbank", "downstream": "ecapa"}).plain()
    known = standing(scored(record(AFFECT), predictions), predictions)
    found = []
    for number in range(count):
        training = {**plain["training"], "epochs": number}
        changes = {"digest": f"{number:064x}", "recipe": plain | {"training": training}}
        better = random.normal(scale=0.05)
        scores = replace(known.measured.scores, rank=known.measured.scores.rank + better)
        shares = {
            key: replace(
                each,
                value=each.value + better,
                parts=each.parts + better * each.weights + random.normal(0, 3e-3, len(each.parts)),
            )
            for key, each in known.measured.shares.items()
        }
        measured = replace(
            known.measured, scores=scores, shares=shares, predicted=changes["digest"]
        )
        found.append(Standing(known.result.model_copy(update=changes), measured, known.load))
    return found


def test_ten_thousand_results_are_ranked(benchmark: Any) -> None:
    results = many(10_000)
    (board,) = benchmark.pedantic(table.boards, (results, recommended), rounds=3, warmup_rounds=1)
    assert len(board.rows) == 10_000
    assert board.rows[-1].rank > 1
    assert benchmark.stats.stats.min < 2.5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return some results, and a home in which nothing is remembered."""
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    root = tmp_path / "results"
    for number in range(COUNT):
        predictions = rated(0.5, (0, 1, 2), draw=number)
        made = record(AFFECT, seeds=(0, 1, 2), recipe={"number": number, "seeds": [0, 1, 2]})
        store.save(scored(made, predictions), predictions, root)
    return root


def test_what_is_remembered_is_read_twenty_times_as_fast(folder, benchmark: Any) -> None:
    begin = time.process_time()
    store.read_all(folder, standing_of)
    computed = time.process_time() - begin
    shelf = benchmark.pedantic(store.read_all, (folder, standing_of), rounds=3)
    assert len(shelf.entries) == COUNT
    assert benchmark.stats.stats.min < computed / 20


def test_results_are_verified(folder, benchmark: Any) -> None:
    paths = sorted(folder.glob("*/*.json"))[:50]

    def all_of_them() -> list[bool]:
        return [bool(verify(path, lambda _: None).problems) for path in paths]

    assert not any(benchmark.pedantic(all_of_them, rounds=2))


def test_what_has_not_changed_is_verified_at_ten_thousand_a_minute(folder, benchmark: Any) -> None:
    store.read_all(folder, standing_of)
    found = benchmark.pedantic(lambda: [*verify_all(folder, lambda _: None)], rounds=3)
    assert len(found) == COUNT
    assert not any(each.problems for each in found)
    assert benchmark.stats.stats.min < 60 * COUNT / 10_000


def test_whole_recipes_are_verified_at_ten_thousand_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark: Any
) -> None:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    paths = sorted(RESULTS.glob("*/*.json"))

    def all_of_them() -> list[bool]:
        return [
            bool(verify(p, nowhere, read=standing_of, asked=impossible).problems) for p in paths
        ]

    assert not any(benchmark.pedantic(all_of_them, rounds=3, warmup_rounds=1))
    assert benchmark.stats.stats.min < 60 * len(paths) / 10_000


def nowhere(_: Result) -> None:
    """No corpus is at hand."""


def test_what_is_remembered_is_read_and_ranked(folder, benchmark: Any) -> None:
    store.read_all(folder, standing_of)

    def read_and_ranked() -> list[table.Board]:
        return table.boards(store.read_all(folder, standing_of).entries, recommended)

    (board,) = benchmark.pedantic(read_and_ranked, rounds=5, warmup_rounds=1)
    assert len(board.rows) == COUNT
    assert benchmark.stats.stats.min < 20 * COUNT / 10_000
