"""What the runs of a grid share is made once, and goes to whoever needs it after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serbench.errors import SerbenchError
from serbench.progress import Silent
from serbench.runs.grids import grid as grids
from serbench.runs.grids.cells import Cell, Where
from serbench.runs.grids.corpora import Corpora
from serbench.runs.grids.costs import checked, told
from serbench.runs.grids.plan import plan
from serbench.runs.grids.sweep import sweep
from serbench.runs.workers import Done

FOLDS = [{"name": "speaker_folds", "k": 3}, {"name": "speaker_folds", "k": 4}]
MEANS: dict[str, Any] = {"upstream": "hubert", "downstream": "mean_pool"}
HEADS = ["mean_pool", "attention"]
MFCC = {"upstream": "mfcc"}


class Recording:
    """Does nothing, but says of each task that it made weights and features under its row."""

    apart, jobs = True, 100

    def __init__(self, folder: Path) -> None:
        self.where = Where(None, folder, folder)
        self.lots: list[int] = []
        self.given: dict[int, tuple[str, ...]] = {}
        self.trials: list[int] = []

    def each(self, tasks: Any, count: int, size: str, *_: object) -> Any:
        if size == "shared":
            self.lots.append(count)
        for task in tasks:
            row = int(task.name.split()[1].strip(","))
            if size == "shared":
                self.given[row] = task.needs
            elif ", fold " in task.name:
                self.trials.append(row)
            made = (f"checkpoints/{row}", f"features/{row}")
            yield Done(task, Cell(folds=row, made=made))


def swept(raw: dict[str, Any], folder: Path) -> Recording:
    engine = Recording(folder)
    sweep(plan(grids.made(raw, {}), folder), engine, Silent())
    return engine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("raw", "lots", "given"),
    [
        (
            {"upstream": "tapt_hubert", "grid": {"downstream": HEADS}},
            [1, 1],
            {2: ["checkpoints/1"]},
        ),
        (MEANS | {"grid": {"protocol": FOLDS}}, [1, 1], {2: ["features/1"]}),
        (
            MEANS | {"rows": [{"upstream": ["hubert", "mfcc"], "fusion": "late"}, {}, MFCC]},
            [2, 1],
            {1: ["features/2", "features/3"]},
        ),
        (
            MEANS | {"finetune": True, "grid": {"protocol": FOLDS}},
            [1, 1],
            {2: ["checkpoints/1", "features/1"]},
        ),
        (MEANS | {"grid": {"benchmark": ["demo", "emodb"]}}, [2], {}),
        (MEANS | {"grid": {"downstream": HEADS}}, [2], {}),
        (
            MEANS
            | {
                "grid": {"upstream": ["mfcc", {"name": "mfcc", "cepstra": 13}], "seeds": [[0], [1]]}
            },
            [1],
            {},
        ),
    ],
)
def test_what_is_made_of_the_same_waits_for_it_and_gets_it(
    raw: dict[str, Any], lots: list[int], given: dict[int, list[str]], tmp_path: Path
) -> None:
    engine = swept(raw, tmp_path)
    assert engine.lots == lots
    assert {row: sorted(needs) for row, needs in engine.given.items() if needs} == given


def test_what_an_earlier_sweep_made_is_given_as_far_as_it_is_there(
    tmp_path: Path, home: Path
) -> None:
    adapted = MEANS | {"upstream": "tapt_hubert"}
    assert swept(adapted, tmp_path).given == {1: ()}
    assert swept(adapted, tmp_path).given == {1: ()}, "nothing is there"
    for name in ("checkpoints", "features"):
        (home / name / "1").mkdir(parents=True)
    assert swept(adapted, tmp_path).given == {1: ("checkpoints/1", "features/1")}
    assert swept(adapted | {"downstream": "attention"}, tmp_path).given == {1: ("checkpoints/1",)}


def test_each_run_has_as_many_trials_as_its_own_protocol_has_folds(tmp_path: Path) -> None:
    engine = swept(MEANS | {"grid": {"protocol": FOLDS, "seeds": [[0], [1]]}}, tmp_path)
    assert engine.lots == [1, 1]
    assert sorted(engine.trials) == [1, 2, 3, 3, 3, 4, 4, 4], "the leaders are rows 1 and 3"


def test_the_plan_counts_what_is_made_once(corpus: Path, tmp_path: Path) -> None:
    shared = MEANS | {"benchmark": str(corpus), "upstream": "mfcc"}

    def features(raw: dict[str, Any]) -> tuple[str, str]:
        planned = plan(grids.made(raw, {}), tmp_path)
        lines = [line for line in told(planned, tmp_path) if line.startswith("made once")]
        return lines[0], next(checked(planned, Corpora(None, Silent())))

    one, size = features(shared)
    assert "that share it: features 1 time; for up to 1 run" in one
    several = shared | {"grid": {"protocol": FOLDS}}
    assert features(several) == (one.replace("up to 1 run", "up to 2 runs"), size)
    tuned = shared | {"upstream": "hubert"}
    (_, once), (line, by_fold) = features(tuned), features(tuned | {"finetune": True})
    assert "weights at most 1 time " in line
    assert by_fold != once, "each fold has its own"


def test_a_protocol_that_cannot_be_is_told_beforehand_whoever_else_shares_the_features(
    corpus: Path, tmp_path: Path
) -> None:
    protocols = ["speaker_folds", {"name": "speaker_folds", "k": 9}]
    raw = MEANS | {"benchmark": str(corpus), "grid": {"protocol": protocols}}
    with pytest.raises(SerbenchError, match="row 2"):
        [*checked(plan(grids.made(raw, {}), tmp_path), Corpora(None, Silent()))]
